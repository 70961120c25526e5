"""VQ-Flow: normalizing flows conditioned on what a picture shows and what usually lies where."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import cast

import torch
from jaxtyping import Int
from torch import Tensor, nn

from normalis.detectors.concepts import global_averages
from normalis.detectors.contract import AbstractDetector
from normalis.detectors.levels import LevelScale
from normalis.detectors.records import Batch, Losses, PaperScores, ParameterGroup, Scores, Term
from normalis.detectors.vqflow.compiled import fold
from normalis.detectors.vqflow.condition import AbstractConditioner, Condition, VQConditioner
from normalis.detectors.vqflow.maps import ScoreForm, paper_scores
from normalis.detectors.whitened import (
    Whitened,
    recalled,
    set_memories,
    set_whitening,
    whitened_levels,
    whitened_maps,
)
from normalis.flows.folded import FoldedFusion
from normalis.flows.fusion import FusionCoupling
from normalis.mixtures.concept_gaussian import ConceptGaussian
from normalis.mixtures.located_gaussian import LocatedGaussian
from normalis.quantize.memory import ConceptMemory

__all__ = ["Latents", "VQFlow"]

PAPER_TOP_SHARE = 0.03  # of the published image score (METHODS §1.7)
SEEDING_BATCHES = 16  # batches from which the pattern codes start


@dataclass(frozen=True)
class Latents:
    """What the flows make of a batch; one entry per level, or per memory.

    Attributes:
        z: `b c h w`.
        log_dets: `b h w`, the log-determinant at each position.
        remembered: `b c h w`, the whitened features of each map that has a memory.
        condition: What the flows were told.
    """

    z: list[Tensor]
    log_dets: list[Tensor]
    remembered: list[Tensor]
    condition: Condition


class VQFlow(AbstractDetector):
    """One model of good pictures of many products.

    Args:
        levels: Which maps of the pyramid get a flow.
        conditioner: Tells the flows what they are conditioned on.
        whitening: One closed-form Gaussian for each of `whitened_levels`; empty for none.
        memories: Memories of whitened features, by the index of the map; empty for none.
        flows: One flow per level.
        priors: One concept prior per level; empty for a standard normal.
        fusion: The cross-scale coupling, or None.
        scale: Standardises the levels' energies.
        form: How likelihoods become maps and image scores.
        per_dimension: The loss is in nats per dimension; otherwise in nats per picture (paper).

    References:
        VQ-Flow (METHODS §1).
    """

    def __init__(
        self,
        *,
        levels: tuple[int, ...],
        conditioner: AbstractConditioner,
        whitening: list[LocatedGaussian],
        memories: Mapping[int, ConceptMemory],
        flows: Sequence[nn.Module],
        priors: list[ConceptGaussian],
        fusion: FusionCoupling | FoldedFusion | None,
        scale: LevelScale,
        form: ScoreForm,
        per_dimension: bool,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.remembered = tuple(memories)
        self.conditioner = conditioner
        self.whitening = nn.ModuleList(whitening)
        self.memories = nn.ModuleList(memories.values())
        self.flows = nn.ModuleList(flows)
        self.priors = nn.ModuleList(priors)
        self.fusion = fusion
        self.scale = scale
        self.form = form
        self.joined = form.maps  # a module, which must be known as a part
        self.per_dimension = per_dimension

    def latents(self, maps: list[Tensor]) -> Latents:
        """Latents and log-determinants of each level, and the condition they were given."""
        condition = self.conditioner(maps)
        first = self._whitened(maps, condition.concept)
        zs, log_dets = first.zs, first.log_dets
        stages = (
            (self.flows, condition.levels),
            (self.priors, [condition.prototype] * len(zs)),
        )
        for steps, contexts in stages:
            # A form without priors has no steps in that stage.
            done = [step(z, c) for step, z, c in zip(steps, zs, contexts, strict=False)]
            if done:
                zs = [z for z, _ in done]
                log_dets = _sums(log_dets, [j for _, j in done])
        if self.fusion is not None:
            zs, fused = self.fusion(zs, condition.fusion)
            log_dets = _sums(log_dets, fused)
        return Latents(zs, log_dets, first.remembered, condition)

    def parameter_groups(self) -> tuple[ParameterGroup, ...]:
        """All parameters are learned alike."""
        return (ParameterGroup(tuple(self.parameters())),)

    def loss(self, batch: Batch) -> Losses:
        """Mean negative log-likelihood, up to a constant, and the commitments (METHODS §1.6)."""
        latents = self.latents(batch.maps)
        energy = torch.stack([z.square().sum((1, 2, 3)) / 2 for z in latents.z]).sum(0)
        volume = torch.stack([j.sum((1, 2)) for j in latents.log_dets]).sum(0)
        dimensions = sum(z[0].numel() for z in latents.z) if self.per_dimension else 1
        nll = (energy - volume).mean() / dimensions
        commitment = latents.condition.commitment
        return Losses(
            total=nll + commitment,
            nll=nll,
            terms=(Term("commitment", commitment),),
            assignments=latents.condition.assignments,
        )

    @torch.no_grad()
    def update_codebooks(self, losses: Losses, generator: torch.Generator) -> None:
        """Move the codes after a training step; nothing to do without quantisers."""
        if isinstance(self.conditioner, VQConditioner):
            self.conditioner.update(losses.assignments, generator)

    @torch.no_grad()
    def initialise(
        self,
        batches: Callable[[], Iterator[list[Tensor]]],
        *,
        seed: int,
        label: Int[Tensor, " n"] | None = None,
    ) -> None:
        """Set what starts from data: concept codes, whitening, memories, pattern codes.

        Args:
            batches: Starts a pass over the training pictures' maps.
            seed: Of k-means.
            label: Their concepts in the order of a pass; None to learn them.
        """
        generator = torch.Generator().manual_seed(seed)
        vq = self.conditioner if isinstance(self.conditioner, VQConditioner) else None
        averages = torch.cat([global_averages(maps) for maps in batches()])
        if vq:
            vq.set_concepts(averages, label, generator=generator)
        if len(self.whitening):
            chosen = whitened_levels(self.levels, self.remembered)
            told = (([m[i] for i in chosen], self.concepts(m)) for m in batches())
            set_whitening(self.whitening, told)
        if len(self.memories):
            set_memories(
                self.memories,
                lambda: self._remembered(batches()),
                pictures=len(averages),
                neighbourhood=self.form.maps.neighbourhood,
                generator=generator,
            )
        if vq:
            vq.set_patterns(islice(batches(), SEEDING_BATCHES), generator)

    @torch.no_grad()
    def set_scale(self, batches: Iterable[list[Tensor]]) -> None:
        """Standardise the levels by the energies of held-out normal pictures."""
        told = (self._energies(maps) for maps in batches)
        self.scale.set_from_energies((energies, c.concept) for energies, c in told)

    @torch.no_grad()
    def concepts(self, maps: list[Tensor]) -> Int[Tensor, " b"]:
        """The concept of each picture, as `score` names it."""
        return self.conditioner.concepts(maps)

    @torch.no_grad()
    def score(self, maps: list[Tensor]) -> Scores:
        """Map, image score and concept of each picture, a function of that picture alone."""
        if not self.form.absolute:
            paper = self.paper_scores(maps)
            return Scores(paper.multiplicative, paper.image, self.concepts(maps))
        parts, concept = self.parts(maps)
        total, image = self.joined(parts)
        return Scores(total, image, concept)

    @torch.no_grad()
    def parts(self, maps: list[Tensor]) -> tuple[list[Tensor], Int[Tensor, " b"]]:
        """Each flow's and then each memory's map, standardised, on its grid; and the concepts.

        Where memories count by code, their maps without that follow, for the joint map.
        """
        energies, condition = self._energies(maps)
        return self.scale.each(energies, concept=condition.concept), condition.concept

    @torch.no_grad()
    def compile(self) -> "VQFlow":  # pyright: ignore[reportIncompatibleMethodOverride]
        """Codebooks, prototypes and positions folded into tables (METHODS §1.8)."""
        assert not self.training, "training would move the codes away from the tables"
        if not isinstance(self.conditioner, VQConditioner):
            return self
        folded = fold(self.conditioner, self.flows, fusion=cast("FusionCoupling", self.fusion))
        memories = cast("Iterable[ConceptMemory]", self.memories)
        compiled = VQFlow(
            levels=self.levels,
            conditioner=folded.conditioner,
            whitening=list(cast("Iterable[LocatedGaussian]", self.whitening)),
            memories=dict(zip(self.remembered, memories, strict=True)),
            flows=folded.flows,
            priors=list(cast("Iterable[ConceptGaussian]", self.priors)),
            fusion=folded.fusion,
            scale=self.scale,
            form=self.form,
            per_dimension=self.per_dimension,
        )
        return compiled.eval()

    @torch.no_grad()
    def paper_scores(self, maps: list[Tensor]) -> PaperScores:
        """The published maps, for comparison."""
        energies = [z.square().mean(1) / 2 for z in self.latents(maps).z]
        return paper_scores(energies, self.form.maps.size, top_share=PAPER_TOP_SHARE)

    def _energies(self, maps: list[Tensor]) -> tuple[list[Tensor], Condition]:
        """Energies at each position, of each level's flow and then memory, and the condition."""
        latents = self.latents(maps)
        flow = [
            z.square().mean(1) / 2 - j / z.shape[1] * self.form.log_det
            for z, j in zip(latents.z, latents.log_dets, strict=True)
        ]
        memory = recalled(
            self.memories,
            latents.remembered,
            concept=latents.condition.concept,
            neighbourhood=self.form.maps.neighbourhood,
        )
        return [*flow, *memory], latents.condition

    def _remembered(
        self, batches: Iterable[list[Tensor]]
    ) -> Iterator[tuple[list[Tensor], Int[Tensor, " b"]]]:
        """Whitened features of each map that has a memory, and the concepts."""
        for maps in batches:
            concept = self.concepts(maps)
            yield self._whitened(maps, concept).remembered, concept

    def _whitened(self, maps: list[Tensor], concept: Int[Tensor, " b"]) -> Whitened:
        """Features after the closed-form first step."""
        return whitened_maps(
            self.whitening, maps, levels=self.levels, remembered=self.remembered, concept=concept
        )


def _sums(first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
    """Level by level."""
    return [a + b for a, b in zip(first, second, strict=True)]
