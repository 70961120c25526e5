"""Energies of several levels on one scale, on one grid, and as one score."""

from collections.abc import Iterable
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.detectors.records import top_mean
from normalis.errors import SettingsError
from normalis.nn.blur import BlurredEnlargement

__all__ = ["LevelScale", "MapForm", "check_neighbourhood", "chosen_levels", "one_each", "upsample"]

# A concept with fewer held-out pictures is standardised as all pictures are.
PICTURES_FOR_OWN_SCALE = 8


class LevelScale(nn.Module):
    """Location and scale of each level's energy on held-out normal pictures, by concept.

    Args:
        concepts: Number of concepts.
        levels: Number of levels.
    """

    location: Tensor
    spread: Tensor

    def __init__(self, concepts: int, levels: int) -> None:
        super().__init__()
        self.register_buffer("location", torch.zeros(concepts, levels))
        self.register_buffer("spread", torch.ones(concepts, levels))

    @torch.no_grad()
    def set_from(
        self,
        first: Float[Tensor, "n l"],
        second: Float[Tensor, "n l"],
        *,
        concept: Int[Tensor, " n"],
    ) -> None:
        """Set from each held-out picture's mean energy and mean squared energy at each level."""
        self._set_rows(slice(None), first, second)
        for k in range(len(self.location)):
            own = concept == k
            if int(own.sum()) >= PICTURES_FOR_OWN_SCALE:
                self._set_rows(slice(k, k + 1), first[own], second[own])

    def set_from_energies(self, batches: Iterable[tuple[list[Tensor], Int[Tensor, " b"]]]) -> None:
        """Set from held-out pictures: each level's `b h w` energies, and the concepts."""
        first, second, concepts = [], [], []
        for energies, concept in batches:
            first.append(torch.stack([e.mean((1, 2)) for e in energies], 1))
            second.append(torch.stack([e.square().mean((1, 2)) for e in energies], 1))
            concepts.append(concept)
        self.set_from(torch.cat(first), torch.cat(second), concept=torch.cat(concepts))

    def forward(
        self, energy: Float[Tensor, "b h w"], level: int, *, concept: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h w"]:
        """Standard deviations above the usual."""
        location = self.location[concept, level, None, None]
        return (energy - location) / self.spread[concept, level, None, None]

    def each(
        self, energies: list[Float[Tensor, "b _ _"]], *, concept: Int[Tensor, " b"]
    ) -> list[Float[Tensor, "b _ _"]]:
        """The energies of every level in turn."""
        return [self(energy, level, concept=concept) for level, energy in enumerate(energies)]

    def _set_rows(self, rows: slice, first: Tensor, second: Tensor) -> None:
        mean = first.double().mean(0)
        variance = second.double().mean(0) - mean.square()
        self.location[rows] = mean.float()
        self.spread[rows] = variance.clamp_min(1e-12).sqrt().float()


@final
class MapForm(nn.Module):
    """How standardised maps of flows and memories become one map and an image score.

    Args:
        size: Rows and columns of the prepared picture, which the joint map has too.
        grids: Rows and columns of the map of each flow and memory.
        neighbourhood: Side of the square whose mean feature the memories are asked for, positions;
            one number serves all.
        smoothing: Standard deviation of the blur of a map, pixels.
        top_share: Share of a map's highest values that the image score averages.
        by_level: Average those of every flow's and memory's own map; otherwise of their mean.
        weights: What each map counts in the image score, not in the joint map; None for alike.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int],
        grids: tuple[tuple[int, int], ...],
        neighbourhood: int | tuple[int, ...],
        smoothing: float,
        top_share: float,
        by_level: bool,
        weights: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        self.grids = grids
        self.neighbourhood = neighbourhood
        self.top_share = top_share
        self.by_level = by_level
        self.weights = weights and tuple(len(weights) * w / sum(weights) for w in weights)
        kinds = dict.fromkeys(grids)  # maps of one grid are enlarged together
        self.alike = [[i for i, own in enumerate(grids) if own == grid] for grid in kinds]
        self.enlarge = nn.ModuleList(
            BlurredEnlargement(grid, size, sigma=smoothing) for grid in kinds
        )

    def forward(
        self, parts: list[Float[Tensor, "b _ _"]]
    ) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """The map and the image score of standardised maps, one of each flow and memory.

        Further ones take, in the map alone, the places of the last of these.
        """
        count = sum(len(alike) for alike in self.alike)
        judged, shown = parts[:count], [*parts[: 2 * count - len(parts)], *parts[count:]]
        shows_others = len(parts) > count or self.weights is not None
        if self.weights is not None:
            judged = [weight * part for weight, part in zip(self.weights, judged, strict=True)]
        if not self.by_level:
            total = self._mean(judged)
            image = top_mean(total, self.top_share)
            return (self._mean(shown) if shows_others else total), image
        total, tops = parts[0].new_zeros(()), []
        for alike, enlarge in zip(self.alike, self.enlarge, strict=True):
            for fine in enlarge(torch.stack([judged[i] for i in alike])):
                total = total + fine
                tops.append(top_mean(fine, self.top_share))
        image = torch.stack(tops).mean(0)
        return (self._mean(shown) if shows_others else total / count), image

    def _mean(self, parts: list[Float[Tensor, "b _ _"]]) -> Float[Tensor, "b h w"]:
        """Enlarging and blurring are linear: maps of one grid are added before."""
        total = parts[0].new_zeros(())
        for alike, enlarge in zip(self.alike, self.enlarge, strict=True):
            total = total + enlarge(torch.stack([parts[i] for i in alike]).sum(0, keepdim=True))[0]
        return total / len(parts)


def chosen_levels(levels: tuple[int, ...], maps: int, *, setting: str) -> tuple[int, ...]:
    """The maps that get a flow: those that a setting names, or all but the last of three or more.

    Raises:
        SettingsError: A map that the backbone does not give.
    """
    levels = levels or tuple(range(maps - 1 if maps > 2 else maps))
    if min(levels) < 0 or max(levels) >= maps:
        raise SettingsError(f"{setting} is {levels}, but the backbone gives maps 0 to {maps - 1}")
    return levels


def one_each(
    numbers: int | tuple[int, ...], levels: int, *, setting: str = "neighbourhood"
) -> tuple[int, ...]:
    """A number for each level, where one serves all.

    Raises:
        SettingsError: Another count of numbers.
    """
    given = (numbers,) if isinstance(numbers, int) else numbers
    given = given if len(given) > 1 else given * levels
    if len(given) != levels:
        raise SettingsError(
            f"{setting} has {len(given)} numbers for {levels} levels; give one, or one each"
        )
    return given


def check_neighbourhood(sides: int | tuple[int, ...], *, setting: str) -> None:
    """Refuse sides of a square around a position that have no middle.

    Raises:
        SettingsError: No side, or one that is even or not positive.
    """
    given = (sides,) if isinstance(sides, int) else sides
    if not given or any(side < 1 or side % 2 == 0 for side in given):
        raise SettingsError(f"{setting} is {sides}; it is an odd number, 1 or more")


def upsample(maps: Float[Tensor, "b h w"], size: tuple[int, int]) -> Float[Tensor, "b i j"]:
    """Bilinear, to the prepared picture's grid."""
    return F.interpolate(maps[:, None], list(size), mode="bilinear", align_corners=False)[:, 0]
