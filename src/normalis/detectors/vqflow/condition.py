"""From a feature pyramid to what every coupling of the flow is told."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.detectors.contract import Assignment
from normalis.detectors.vqflow.concept import ConceptBranch
from normalis.detectors.vqflow.pattern import PatternBranch
from normalis.nn.layers import pointwise_mlp
from normalis.nn.position import position_encoding

__all__ = ["AbstractConditioner", "Condition", "PositionConditioner", "VQConditioner"]


@dataclass(frozen=True)
class Condition:
    """What a batch's flows are conditioned on.

    Attributes:
        levels: For each level `b k h w` on its grid, or None.
        fusion: The same for the fusion coupling, on the coarsest level's grid.
        prototype: `b p 1 1` for the prior, or None.
        concept: `b`, the index of each picture's concept.
        commitment: Sum of the codebooks' commitment losses.
        assignments: For the codebooks' update.
    """

    levels: tuple[Tensor | None, ...]
    fusion: Tensor | None
    prototype: Tensor | None
    concept: Int[Tensor, " b"]
    commitment: Float[Tensor, ""]
    assignments: tuple[Assignment, ...] = ()


class AbstractConditioner(nn.Module, ABC):
    """Gives the condition of every level and of the fusion coupling."""

    @abstractmethod
    def forward(self, levels: list[Tensor], deepest: Float[Tensor, "b c h w"]) -> Condition:
        """The condition for the levels' maps and the deepest map of the pyramid."""

    @abstractmethod
    def widths(self) -> tuple[int, int]:
        """Channels of the condition, and of the prototype; 0 where there is none."""


class PositionConditioner(AbstractConditioner):
    """Tells the position encoding alone, or nothing: the baselines without quantisers.

    Args:
        position_width: Channels of the encoding; 0 for no condition at all.
    """

    def __init__(self, position_width: int) -> None:
        super().__init__()
        self.position_width = position_width

    def forward(self, levels: list[Tensor], deepest: Float[Tensor, "b c h w"]) -> Condition:
        """The same for every picture; there is one concept, 0."""
        conditions = tuple(self._encode(level) for level in levels)
        return Condition(
            levels=conditions,
            fusion=conditions[coarsest(levels)],
            prototype=None,
            concept=torch.zeros(len(deepest), dtype=torch.long, device=deepest.device),
            commitment=deepest.new_zeros(()),
        )

    def widths(self) -> tuple[int, int]:
        """The position's channels, and no prototype."""
        return self.position_width, 0

    def _encode(self, level: Float[Tensor, "b c h w"]) -> Tensor | None:
        if not self.position_width:
            return None
        b, _, h, w = level.shape
        place = position_encoding(self.position_width, h, w, device=level.device)
        return place.expand(b, -1, -1, -1)


class VQConditioner(AbstractConditioner):
    """Concept and pattern codes (METHODS §1.2 and §1.3).

    Args:
        concept: The concept branch.
        patterns: One pattern branch per level.
        fusion: The pattern branch of the fusion coupling, over the deepest map.
        deepest: Channels of the deepest map.
    """

    def __init__(
        self,
        concept: ConceptBranch,
        patterns: list[PatternBranch],
        fusion: PatternBranch,
        *,
        deepest: int,
    ) -> None:
        super().__init__()
        dim = fusion.codebook.dim
        self.concept = concept
        self.patterns = nn.ModuleList(patterns)
        self.fusion = fusion
        self.semantic = pointwise_mlp(deepest, dim)
        # A 1x1 convolution and a bilinear resize commute; the convolution goes first, on fewer
        # pixels.
        self.semantic_to_level = nn.ModuleList(nn.Conv2d(dim, dim, 1) for _ in patterns)

    def widths(self) -> tuple[int, int]:
        """Pattern and prototype together, and the prototype."""
        prototype = self.concept.codebook.dim
        return self.fusion.codebook.dim + prototype, prototype

    def forward(self, levels: list[Tensor], deepest: Float[Tensor, "b c h w"]) -> Condition:
        """Find the concept, then the patterns around its prototype."""
        concept = self.concept(deepest)
        semantics = self.semantics(levels, deepest)
        patterns = [
            branch(level, concept.prototype, semantic)
            for branch, level, semantic in zip(self.patterns, levels, semantics, strict=True)
        ]
        fusion = self.fusion(
            resize(deepest, levels[coarsest(levels)]), concept.prototype, None
        )
        return Condition(
            levels=tuple(p.condition for p in patterns),
            fusion=fusion.condition,
            prototype=concept.prototype[:, :, None, None],
            concept=concept.index,
            commitment=sum((p.commitment for p in (*patterns, fusion)), start=concept.commitment),
            assignments=(concept.assignment, *(p.assignment for p in (*patterns, fusion))),
        )

    @torch.no_grad()
    def update(self, assignments: tuple[Assignment, ...], generator: torch.Generator) -> None:
        """Move every codebook towards what it was given in a training step."""
        branches = (self.concept, *self.patterns, self.fusion)
        for branch, assignment in zip(branches, assignments, strict=True):
            branch.codebook.update(assignment.inputs, assignment.codes, generator)

    def semantics(self, levels: list[Tensor], deepest: Float[Tensor, "b c h w"]) -> list[Tensor]:
        """What the deepest map says at each place of each level."""
        semantic = self.semantic(deepest)
        return [
            resize(head(semantic), level)
            for head, level in zip(self.semantic_to_level, levels, strict=True)
        ]


def coarsest(levels: list[Tensor]) -> int:
    """Index of the level with the fewest positions."""
    return min(range(len(levels)), key=lambda i: levels[i].shape[-2] * levels[i].shape[-1])


def resize(x: Float[Tensor, "b c h w"], like: Float[Tensor, "b d i j"]) -> Float[Tensor, "b c i j"]:
    """Bilinear resize to the grid of another map."""
    if x.shape[-2:] == like.shape[-2:]:
        return x
    return F.interpolate(x, list(like.shape[-2:]), mode="bilinear", align_corners=False)
