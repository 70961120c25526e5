"""The closed-form first step of each level, and the memories of what it leaves."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, cast

import torch
from jaxtyping import Int
from torch import Tensor, nn

from normalis.detectors.levels import one_each
from normalis.mixtures.located_gaussian import LocatedGaussian, LocatedMoments
from normalis.nn.blur import local_mean
from normalis.quantize.memory import ConceptMemory, UsualEnergies

__all__ = [
    "MEMORY_ROWS",
    "Whitened",
    "recalled",
    "set_memories",
    "set_whitening",
    "whitened",
    "whitened_levels",
    "whitened_maps",
    "whitening_steps",
]

MEMORY_ROWS = 200_000  # features of all pictures together from which a level's memory is made

Concepts = Callable[[list[Tensor]], Int[Tensor, " b"]]


@dataclass(frozen=True)
class Whitened:
    """Features after the closed-form first step.

    Attributes:
        zs: `b c h w` of each map that has a flow.
        log_dets: `b h w` of each of these.
        remembered: `b c h w` of each map that has a memory.
    """

    zs: list[Tensor]
    log_dets: list[Tensor]
    remembered: list[Tensor]


def whitened_levels(levels: tuple[int, ...], remembered: tuple[int, ...]) -> tuple[int, ...]:
    """The maps that are whitened: those with a flow, then the others with a memory."""
    return tuple(dict.fromkeys((*levels, *remembered)))


def whitening_steps(
    kind: Literal["none", "global", "concept"],
    grids: list[tuple[int, int, int]],
    *,
    concepts: int,
) -> list[LocatedGaussian]:
    """The closed-form first step of each level, not yet set.

    Args:
        kind: None at all; one Gaussian for all features of a level; or one for each concept, with
            its mean at each place.
        grids: `(c, h, w)` of each level.
        concepts: Their number.
    """
    if kind == "none":
        return []
    if kind == "global":
        return [LocatedGaussian(1, (c, 1, 1)) for c, _, _ in grids]
    return [LocatedGaussian(concepts, grid) for grid in grids]


def whitened(
    steps: nn.ModuleList, xs: list[Tensor], *, concept: Int[Tensor, " b"]
) -> tuple[list[Tensor], list[Tensor]]:
    """Each level's features after its step, and the log-determinants; without steps as they are.

    Args:
        steps: One `LocatedGaussian` per level, or none at all.
        xs: `b c h w` of each level.
        concept: Of each picture.
    """
    xs = [x.float() for x in xs]
    if not len(steps):
        return xs, [x.new_zeros(x.shape[0], *x.shape[2:]) for x in xs]
    done = [step(x, concept) for step, x in zip(steps, xs, strict=True)]
    return [z for z, _ in done], [j for _, j in done]


def whitened_maps(
    steps: nn.ModuleList,
    maps: list[Tensor],
    *,
    levels: tuple[int, ...],
    remembered: tuple[int, ...],
    concept: Int[Tensor, " b"],
) -> Whitened:
    """The features of a pyramid after their steps.

    Args:
        steps: One `LocatedGaussian` for each of `whitened_levels`, or none at all.
        maps: All maps of the pyramid.
        levels: Those that have a flow.
        remembered: Those that have a memory.
        concept: Of each picture.
    """
    chosen = whitened_levels(levels, remembered)
    zs, log_dets = whitened(steps, [maps[i] for i in chosen], concept=concept)
    by_map = dict(zip(chosen, zs, strict=True))
    # The flows' maps are the first of those that were chosen.
    count = len(set(levels))
    return Whitened(zs[:count], log_dets[:count], [by_map[i] for i in remembered])


@torch.no_grad()
def set_whitening(
    steps: nn.ModuleList, batches: Iterable[tuple[list[Tensor], Int[Tensor, " b"]]]
) -> None:
    """Collect the moments of every concept, and set the step of every level.

    Args:
        steps: One `LocatedGaussian` per level.
        batches: Each level's maps, and each picture's concept.
    """
    levels = list(cast("Iterable[LocatedGaussian]", steps))
    sizes = [step.mean.shape for step in levels]
    moments = [LocatedMoments(k, (c, h, w)) for k, c, h, w in sizes]
    for xs, concept in batches:
        for moment, x in zip(moments, xs, strict=True):
            moment.add(x.float(), concept)
    for step, moment in zip(levels, moments, strict=True):
        step.set_moments(moment)


@torch.no_grad()
def set_memories(
    memories: nn.ModuleList,
    batches: Callable[[], Iterable[tuple[list[Tensor], Int[Tensor, " b"]]]],
    *,
    pictures: int,
    neighbourhood: int | tuple[int, ...],
    generator: torch.Generator,
) -> None:
    """Collect whitened features of random places, and set every level's codes.

    Args:
        memories: One `ConceptMemory` per level.
        batches: Starts a pass over each level's whitened features, and each picture's concept.
        pictures: How many come.
        neighbourhood: Side of the square whose mean feature is remembered, positions; one number
            serves all memories.
        generator: Source of every random choice.
    """
    sides = one_each(neighbourhood, len(memories))
    rows: list[list[Tensor]] = [[] for _ in memories]
    concepts: list[list[Tensor]] = [[] for _ in memories]
    places = max(8, min(128, MEMORY_ROWS // pictures))
    for zs, concept in batches():
        for i, z in enumerate(zs):
            flat = local_mean(z, sides[i]).flatten(2).mT
            some = torch.randperm(flat.shape[1], generator=generator)[:places]
            kept = flat[:, some.to(z.device)]
            rows[i].append(kept.flatten(0, 1))
            concepts[i].append(concept.repeat_interleave(kept.shape[1]))
    for i, memory in enumerate(cast("Iterable[ConceptMemory]", memories)):
        memory.set_from(torch.cat(rows[i]), torch.cat(concepts[i]), generator=generator)
    if any(memory.by_code for memory in cast("Iterable[ConceptMemory]", memories)):
        _set_usual(memories, batches(), sides=sides)


def _set_usual(
    memories: nn.ModuleList,
    batches: Iterable[tuple[list[Tensor], Int[Tensor, " b"]]],
    *,
    sides: tuple[int, ...],
) -> None:
    """Tell every level's memory how far features lie from each of its codes.

    All places are looked at: those that the codes were made from lie too near to them.
    """
    usual = [UsualEnergies(memory) for memory in cast("Iterable[ConceptMemory]", memories)]
    for zs, concept in batches:
        for energies, z, side in zip(usual, zs, sides, strict=True):
            energies.add(local_mean(z, side), concept)
    for energies in usual:
        energies.memory.set_usual(energies)


def recalled(
    memories: nn.ModuleList,
    zs: list[Tensor],
    *,
    concept: Int[Tensor, " b"],
    neighbourhood: int | tuple[int, ...],
) -> list[Tensor]:
    """How far each level's whitened features lie from what was seen; [] without memories.

    Where memories count by code, the energies as they are follow, for the map (`MapForm`).
    """
    if not len(memories):
        return []
    sides = one_each(neighbourhood, len(memories))
    triples = zip(cast("Iterable[ConceptMemory]", memories), zs, sides, strict=True)
    answers = [memory.answers(local_mean(z, side), concept) for memory, z, side in triples]
    return [
        *(energies[0] for energies in answers),
        *(energy for energies in answers for energy in energies[1:]),
    ]
