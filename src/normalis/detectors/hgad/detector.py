"""HGAD: one flow for many products, whose latents gather around a centre for each."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import cast

import torch
from jaxtyping import Int
from torch import Tensor, nn

from normalis.detectors.concepts import global_averages
from normalis.detectors.contract import AbstractDetector
from normalis.detectors.hgad.classes import ClassFinder, Guess, told
from normalis.detectors.hgad.level import Latent, MixtureLevel, draw_places, even_places
from normalis.detectors.hgad.objective import Objective
from normalis.detectors.hgad.paper import Quantities, product_maps
from normalis.detectors.levels import LevelScale, MapForm
from normalis.detectors.records import (
    Assignment,
    Batch,
    Losses,
    PaperScores,
    ParameterGroup,
    Scores,
)
from normalis.detectors.whitened import (
    Whitened,
    recalled,
    set_memories,
    set_whitening,
    whitened,
    whitened_levels,
    whitened_maps,
)
from normalis.mixtures.located_gaussian import LocatedGaussian
from normalis.quantize.memory import ConceptMemory
from normalis.quantize.nearest import code_counts

__all__ = ["HGAD"]

CANDIDATES = 4  # classes that are near enough by the descriptor to be asked for their likelihood
ASKED_PLACES = 100  # positions that are asked for each of them
SEED_STEPS = 1_000_000  # steps of a training that get places of their own


class HGAD(AbstractDetector):
    """One model of good pictures of many products, a mixture of them in the latents.

    A class is a product: a category, or a cluster of the training pictures. Where the first step
    whitens by class, a picture's class decides how its features are read: the nearest few by the
    descriptor are tried, and the one for which most places speak is taken.

    Args:
        levels: Which maps of the pyramid get a flow.
        finder: Guesses a picture's class by its descriptor.
        whitening: One closed-form Gaussian for each of `whitened_levels`; empty for none.
        memories: Memories of whitened features, by the index of the map; empty for none.
        flows: One flow and mixture per level.
        moves: Whitened features are moved to the main centre of their class.
        scale: Standardises the levels' energies.
        objective: Weights of the objective's terms.
        form: How energies become maps and image scores.
        single_picture: A picture has a score of its own; otherwise a test set has scores.

    References:
        HGAD (METHODS §2).
    """

    highest: Tensor

    def __init__(
        self,
        *,
        levels: tuple[int, ...],
        finder: ClassFinder,
        whitening: list[LocatedGaussian],
        memories: Mapping[int, ConceptMemory],
        flows: list[MixtureLevel],
        moves: bool,
        scale: LevelScale,
        objective: Objective,
        form: MapForm,
        single_picture: bool,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.remembered = tuple(memories)
        self.finder = finder
        self.whitening = nn.ModuleList(whitening)
        self.memories = nn.ModuleList(memories.values())
        self.flows = nn.ModuleList(flows)
        self.moves = moves
        self.scale = scale
        self.objective = objective
        self.form = form
        self.single_picture = single_picture
        # The highest log-likelihood and negative entropy of each level on held-out pictures.
        self.register_buffer("highest", torch.zeros(2, len(levels)))

    @property
    def scores_sets(self) -> bool:
        """The published form has no score of a single picture (METHODS §2.4)."""
        return not self.single_picture

    def parameter_groups(self) -> tuple[ParameterGroup, ...]:
        """The flows, and their mixtures: faster and without decay (METHODS §2.3)."""
        flows = [p for level in self._flows() for p in level.flow.parameters()]
        mixtures = [p for level in self._flows() for p in level.mixture.parameters()]
        return (
            ParameterGroup(tuple(flows)),
            ParameterGroup(tuple(mixtures), rate=self.objective.centre_rate, decay=False),
        )

    def loss(self, batch: Batch) -> Losses:
        """The objective of METHODS §2.3, summed over the levels."""
        averages = global_averages(batch.maps)
        label = self.finder.nearest(averages) if batch.label is None else batch.label
        # A resumed run sees the places that an uninterrupted one sees.
        generator = torch.Generator().manual_seed(round(batch.done * SEED_STEPS))
        places = self.objective.places if self.training else 0
        first = self._whitened(batch.maps, label)
        zs = self._moved(first.zs, label)
        terms = []
        for level, z, j in zip(self._flows(), zs, first.log_dets, strict=True):
            some = draw_places(len(z), (z.shape[2], z.shape[3]), most=places, generator=generator)
            terms.append(level.terms(level(z, j, places=some), label))
        found = Assignment("concept", averages, label, code_counts(label, len(self.finder.codes)))
        return self.objective.losses(terms, done=batch.done, concept=found)

    def update_codebooks(self, losses: Losses, generator: torch.Generator) -> None:
        """Nothing moves without a gradient."""

    @torch.no_grad()
    def initialise(
        self,
        batches: Callable[[], Iterator[list[Tensor]]],
        *,
        seed: int,
        label: Int[Tensor, " n"] | None = None,
    ) -> None:
        """Set what starts from data: descriptors of classes, whitening, memories.

        Args:
            batches: Starts a pass over the training pictures' maps.
            seed: Of k-means.
            label: Their classes in the order of a pass; None to find classes.
        """
        generator = torch.Generator().manual_seed(seed)
        averages = torch.cat([global_averages(maps) for maps in batches()])
        self.finder.set_from(averages, label, generator=generator)
        label = self.finder.nearest(averages) if label is None else label
        if len(self.whitening):
            chosen = whitened_levels(self.levels, self.remembered)
            pairs = told(batches(), label)
            set_whitening(self.whitening, (([maps[i] for i in chosen], y) for maps, y in pairs))
        if len(self.memories):
            set_memories(
                self.memories,
                lambda: ((self._whitened(m, y).remembered, y) for m, y in told(batches(), label)),
                pictures=len(averages),
                neighbourhood=self.form.neighbourhood,
                generator=generator,
            )

    @torch.no_grad()
    def set_scale(self, batches: Iterable[list[Tensor]]) -> None:
        """Standardise the levels by the energies of held-out normal pictures."""
        highest: list[Tensor] = []

        def energies() -> Iterator[tuple[list[Tensor], Tensor]]:
            for maps in batches:
                concept = self._guess(maps).concept
                highest.append(self._quantities(self._latents(maps, concept)).highest())
                yield self._energies(maps, concept), concept

        self.scale.set_from_energies(energies())
        self.highest.copy_(torch.stack(highest).amax(0))

    @torch.no_grad()
    def concepts(self, maps: list[Tensor]) -> Int[Tensor, " b"]:
        """The class of each picture, as `score` names it."""
        return self._guess(maps).concept

    @torch.no_grad()
    def score(self, maps: list[Tensor]) -> Scores:
        """Map, image score and class of each picture, a function of that picture alone."""
        parts, guess = self.parts(maps)
        total, image = self.form(parts)
        return Scores(total, image, guess.concept, guess.probability)

    @torch.no_grad()
    def parts(self, maps: list[Tensor]) -> tuple[list[Tensor], Guess]:
        """Each flow's and then each memory's map, standardised, on its grid; and the classes."""
        guess = self._guess(maps)
        return self.scale.each(self._energies(maps, guess.concept), concept=guess.concept), guess

    @torch.no_grad()
    def compile(self) -> "HGAD":  # pyright: ignore[reportIncompatibleMethodOverride]
        """What the flows are told of each place, folded into tables."""
        assert not self.training, "training would move the weights away from the tables"
        memories = cast("Iterable[ConceptMemory]", self.memories)
        compiled = HGAD(
            levels=self.levels,
            finder=self.finder,
            whitening=list(cast("Iterable[LocatedGaussian]", self.whitening)),
            memories=dict(zip(self.remembered, memories, strict=True)),
            flows=[x.placed(grid) for x, grid in zip(self._flows(), self.form.grids, strict=False)],
            moves=self.moves,
            scale=self.scale,
            objective=self.objective,
            form=self.form,
            single_picture=self.single_picture,
        )
        compiled.highest = self.highest
        return compiled.eval()

    @torch.no_grad()
    def paper_scores(self, maps: list[Tensor]) -> PaperScores:
        """The published maps, but against the maxima of held-out pictures, without a label.

        What is published takes the true class and the maxima over its test set (METHODS §2.4),
        which no picture has alone; see `quantities`.
        """
        latents = self._latents(maps, self._guess(maps).concept)
        product = product_maps(self._quantities(latents), self.form.size, highest=self.highest)
        return PaperScores(product, product, product.amax((1, 2)))

    @torch.no_grad()
    def quantities(self, maps: list[Tensor], label: Int[Tensor, " b"]) -> Quantities:
        """What the published score of pictures of these true classes is made of."""
        return self._quantities(self._latents(maps, label), label)

    def _quantities(
        self, latents: list[Latent], label: Int[Tensor, " b"] | None = None
    ) -> Quantities:
        pairs = list(zip(self._flows(), latents, strict=True))
        energies = [
            level.energy(z) if label is None else level.energy_of_class(z, label)
            for level, z in pairs
        ]
        return Quantities(
            tuple(-energy for energy in energies),
            tuple(-level.mixture.entropy(z.z) for level, z in pairs),
        )

    def _latents(self, maps: list[Tensor], label: Int[Tensor, " b"]) -> list[Latent]:
        """Latents of every level, the features read as those of these classes."""
        return self._latents_of(self._whitened(maps, label), label)

    def _latents_of(self, first: Whitened, label: Int[Tensor, " b"]) -> list[Latent]:
        pairs = zip(self._flows(), self._moved(first.zs, label), first.log_dets, strict=True)
        return [level(z, j) for level, z, j in pairs]

    def _energies(self, maps: list[Tensor], concept: Int[Tensor, " b"]) -> list[Tensor]:
        """Energies at each position, of each level's flow and then memory."""
        first = self._whitened(maps, concept)
        latents = self._latents_of(first, concept)
        flow = [level.energy(z) for level, z in zip(self._flows(), latents, strict=True)]
        memory = recalled(
            self.memories,
            first.remembered,
            concept=concept,
            neighbourhood=self.form.neighbourhood,
        )
        return [*flow, *memory]

    def _guess(self, maps: list[Tensor]) -> Guess:
        """Of the classes near by the descriptor the one that most places of the last flow say.

        On a fine grid evenly spaced places speak for all: each class needs the flow anew.
        """
        near = self.finder(global_averages(maps), most=CANDIDATES)
        if near.shape[1] == 1:
            return Guess(near[:, 0], torch.ones_like(near[:, 0], dtype=torch.float32))
        level, last = self._flows()[-1], maps[self.levels[-1]]
        # The maps of the flows are whitened first, then those that have but a memory.
        step = self.whitening[len(self.flows) - 1 : len(self.flows)]
        places = even_places((last.shape[2], last.shape[3]), most=ASKED_PLACES)
        # All classes at once, each as a picture of its own.
        count, label = near.shape[1], near.flatten()
        (z,), (j,) = whitened(step, [last.repeat_interleave(count, 0)], concept=label)
        z = level.moved(z, label) if self.moves else z
        evidence = level.evidence(level(z, j, places=places), label)
        share = evidence.unflatten(0, (-1, count)).softmax(1).mean((2, 3))
        best = share.max(1)
        return Guess(near.gather(1, best.indices[:, None])[:, 0], best.values)

    def _whitened(self, maps: list[Tensor], label: Int[Tensor, " b"]) -> Whitened:
        """Features after the closed-form first step."""
        return whitened_maps(
            self.whitening, maps, levels=self.levels, remembered=self.remembered, concept=label
        )

    def _moved(self, zs: list[Tensor], label: Int[Tensor, " b"]) -> list[Tensor]:
        """What was whitened by class goes to its class's centre; else the flow has to find it."""
        if not self.moves:
            return zs
        return [level.moved(z, label) for level, z in zip(self._flows(), zs, strict=True)]

    def _flows(self) -> list[MixtureLevel]:
        return list(cast("Iterable[MixtureLevel]", self.flows))
