"""From a feature pyramid to what every coupling of the flow is told."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.detectors.records import Assignment
from normalis.detectors.vqflow.concept import Concept, ConceptBranch
from normalis.detectors.vqflow.pattern import PatternBranch
from normalis.flows.context import CodedContext, Context
from normalis.nn.layers import PointwiseMLP
from normalis.nn.position import position_encoding

__all__ = ["AbstractConditioner", "Condition", "PositionConditioner", "VQConditioner"]

SEEDING_ROWS = 8192  # residuals from which a pattern codebook starts


@dataclass(frozen=True)
class Condition:
    """What a batch's flows are conditioned on.

    Attributes:
        levels: For each level `b k h w` on its grid, or in parts, or its codes where flows look it
            up, or None.
        fusion: The same for the fusion coupling, on the coarsest level's grid.
        prototype: `b p 1 1` for the prior, or None.
        concept: `b`, the index of each picture's concept.
        commitment: Sum of the codebooks' commitment losses.
        assignments: For the codebooks' update.
    """

    levels: tuple[Context | CodedContext, ...]
    fusion: Tensor | CodedContext | None
    prototype: Tensor | None
    concept: Int[Tensor, " b"]
    commitment: Float[Tensor, ""]
    assignments: tuple[Assignment, ...] = ()


class AbstractConditioner(nn.Module, ABC):
    """Gives the condition of every level and of the fusion coupling."""

    @abstractmethod
    def forward(self, maps: list[Tensor]) -> Condition:
        """The condition for the maps of a pyramid, the deepest last."""

    @abstractmethod
    def concepts(self, maps: list[Tensor]) -> Int[Tensor, " b"]:
        """The concept of each picture."""

    @abstractmethod
    def widths(self) -> tuple[int, int]:
        """Channels of the condition, and of the prototype; 0 where there is none."""


class PositionConditioner(AbstractConditioner):
    """Tells the position encoding alone, or nothing: the baselines without quantisers.

    Args:
        levels: Which maps of the pyramid get a flow.
        position_width: Channels of the encoding; 0 for no condition at all.
    """

    def __init__(self, levels: tuple[int, ...], *, position_width: int) -> None:
        super().__init__()
        self.levels = levels
        self.position_width = position_width

    def forward(self, maps: list[Tensor]) -> Condition:
        """The same for every picture."""
        levels = [maps[i] for i in self.levels]
        conditions = tuple(self._encode(level) for level in levels)
        return Condition(
            levels=conditions,
            fusion=conditions[coarsest(levels)],
            prototype=None,
            concept=self.concepts(maps),
            commitment=maps[-1].new_zeros(()),
        )

    def concepts(self, maps: list[Tensor]) -> Int[Tensor, " b"]:
        """There is one concept, 0."""
        return torch.zeros(maps[-1].shape[0], dtype=torch.long, device=maps[-1].device)

    def widths(self) -> tuple[int, int]:
        """The position's channels, and no prototype."""
        return self.position_width, 0

    def _encode(self, level: Float[Tensor, "b c h w"]) -> Tensor | None:
        if not self.position_width:
            return None
        b, _, h, w = level.shape
        place = position_encoding(self.position_width, (h, w), device=level.device)
        return place.expand(b, -1, -1, -1)


class VQConditioner(AbstractConditioner):
    """Concept and pattern codes (METHODS §1.2 and §1.3).

    Args:
        levels: Which maps of the pyramid get a flow.
        concept: The concept branch.
        patterns: One pattern branch per level.
        fusion: The pattern branch of the fusion coupling, over the deepest map.
        deepest: Channels of the deepest map.
        grids: Rows and columns of each level, then of the fusion coupling.
        from_data: The codebooks start from data; otherwise they keep their random start (paper).
    """

    def __init__(
        self,
        levels: tuple[int, ...],
        concept: ConceptBranch,
        *,
        patterns: list[PatternBranch],
        fusion: PatternBranch,
        deepest: int,
        grids: tuple[tuple[int, int], ...],
        from_data: bool = True,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.grids = grids
        self.from_data = from_data
        dim = fusion.codebook.dim
        self.concept = concept
        self.patterns = nn.ModuleList(patterns)
        self.fusion = fusion
        self.semantic = PointwiseMLP(deepest, dim)
        # A 1x1 convolution and a bilinear resize commute; the convolution goes first, on fewer
        # pixels.
        self.semantic_to_level = nn.ModuleList(nn.Conv2d(dim, dim, 1) for _ in patterns)

    def widths(self) -> tuple[int, int]:
        """Pattern and prototype together, and the prototype."""
        prototype = self.concept.codebook.dim
        return self.fusion.codebook.dim + prototype, prototype

    def forward(self, maps: list[Tensor]) -> Condition:
        """Find the concept, then the patterns around its prototype."""
        concept = self.concept(maps)
        patterns = [
            branch(features, concept.prototype, semantic=semantic)
            for branch, features, semantic in self._places(maps)
        ]
        return Condition(
            levels=tuple(p.condition for p in patterns[:-1]),
            fusion=patterns[-1].condition.dense(),
            prototype=concept.prototype[:, :, None, None],
            concept=concept.index,
            commitment=torch.stack([concept.commitment, *(p.commitment for p in patterns)]).sum(),
            assignments=(concept.assignment, *(p.assignment for p in patterns)),
        )

    def concepts(self, maps: list[Tensor]) -> Int[Tensor, " b"]:
        """The concept of each picture."""
        return self.concept(maps).index

    def codes(self, maps: list[Tensor]) -> tuple[Concept, list[Int[Tensor, "b h w"]]]:
        """The concept, and the pattern codes of each level and then of the fusion coupling."""
        concept = self.concept(maps)
        codes = [
            branch.codes(features, concept.prototype, semantic=semantic)
            for branch, features, semantic in self._places(maps)
        ]
        return concept, codes

    def branches(self) -> list[PatternBranch]:
        """One for each level, and the fusion's."""
        return [*cast("Iterable[PatternBranch]", self.patterns), self.fusion]

    @torch.no_grad()
    def set_concepts(
        self,
        averages: Float[Tensor, "n c"],
        label: Int[Tensor, " n"] | None,
        *,
        generator: torch.Generator,
    ) -> None:
        """Set the concept codes from the global averages of the training pictures."""
        if self.from_data:
            self.concept.set_from(averages, label, generator=generator)

    @torch.no_grad()
    def set_patterns(self, batches: Iterable[list[Tensor]], generator: torch.Generator) -> None:
        """Set the pattern codes from some batches."""
        if not self.from_data:
            return
        branches = self.branches()
        rows: list[list[Tensor]] = [[] for _ in branches]
        for maps in batches:
            prototype = self.concept(maps).prototype
            for kept, (branch, features, semantic) in zip(rows, self._places(maps), strict=True):
                kept.append(branch.residual(features, prototype, semantic=semantic))
        for kept, branch in zip(rows, branches, strict=True):
            x = torch.cat(kept)
            sample = x[torch.randperm(len(x), generator=generator)[:SEEDING_ROWS].to(x.device)]
            branch.codebook.set_codes_from(sample, generator)

    @torch.no_grad()
    def update(self, assignments: tuple[Assignment, ...], generator: torch.Generator) -> None:
        """Move every codebook towards what it was given in a training step."""
        self.concept.update(assignments[0], generator)
        for branch, given in zip(self.branches(), assignments[1:], strict=True):
            branch.codebook.update(given.inputs, given.codes, generator=generator)

    def _places(self, maps: list[Tensor]) -> list[tuple[PatternBranch, Tensor, Tensor | None]]:
        """Each pattern branch with its features and what the deepest map says of each place."""
        levels, deepest = [maps[i] for i in self.levels], maps[-1]
        semantic = self.semantic(deepest)
        semantics = [
            resize(head(semantic), level)
            for head, level in zip(self.semantic_to_level, levels, strict=True)
        ]
        fused = resize(deepest, levels[coarsest(levels)])
        return list(zip(self.branches(), [*levels, fused], [*semantics, None], strict=True))


def coarsest(levels: list[Tensor]) -> int:
    """Index of the level with the fewest positions."""
    return min(range(len(levels)), key=lambda i: levels[i].shape[-2] * levels[i].shape[-1])


def resize(x: Float[Tensor, "b c h w"], like: Float[Tensor, "b d i j"]) -> Float[Tensor, "b c i j"]:
    """Bilinear resize to the grid of another map."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, list(like.shape[-2:]), mode="bilinear", align_corners=False)
