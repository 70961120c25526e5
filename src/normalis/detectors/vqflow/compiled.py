"""The fitted form of VQ-Flow for scoring: frozen codes, folded into tables (METHODS §1.8)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Int
from torch import Tensor, nn

from normalis.detectors.vqflow.condition import AbstractConditioner, Condition, VQConditioner
from normalis.flows.context import CodedContext, Codes
from normalis.flows.coupling import AffineCoupling
from normalis.flows.folded import FoldedFlow, FoldedFusion
from normalis.flows.fusion import FusionCoupling
from normalis.flows.transform import Compose

__all__ = ["Folded", "fold"]


@dataclass(frozen=True)
class Folded:
    """The parts of a detector that know their condition by its codes.

    Attributes:
        conditioner: Gives the codes.
        flows: One per level.
        fusion: The cross-scale coupling, or None.
    """

    conditioner: AbstractConditioner
    flows: list[nn.Module]
    fusion: FoldedFusion | None


class CodedConditioner(AbstractConditioner):
    """Names the codes that a `VQConditioner` chooses, by its very own networks.

    Args:
        dense: Fitted, in evaluation mode.
    """

    def __init__(self, dense: VQConditioner) -> None:
        super().__init__()
        self.dense = dense

    def forward(self, maps: list[Tensor]) -> Condition:
        """The condition in coded form; the commitments are training's, and 0 here."""
        concept, codes = self.dense.codes(maps)
        contexts = [CodedContext(code, concept.index) for code in codes]
        return Condition(
            levels=tuple(contexts[:-1]),
            fusion=contexts[-1],
            prototype=concept.prototype[:, :, None, None],
            concept=concept.index,
            commitment=torch.zeros_like(concept.commitment),
        )

    def concepts(self, maps: list[Tensor]) -> Int[Tensor, " b"]:
        """The concept of each picture."""
        return self.dense.concepts(maps)

    def widths(self) -> tuple[int, int]:
        """As the dense form."""
        return self.dense.widths()


def fold(
    conditioner: VQConditioner, flows: Iterable[nn.Module], *, fusion: FusionCoupling | None
) -> Folded:
    """Fold what the condition adds to the first convolution of every network.

    Args:
        conditioner: With the codebooks as they will stay.
        flows: One per level.
        fusion: The cross-scale coupling, or None.
    """
    *levels, fused = _codes(conditioner)
    return Folded(
        conditioner=CodedConditioner(conditioner),
        flows=[_folded(flow, codes) for flow, codes in zip(flows, levels, strict=True)],
        fusion=fusion and FoldedFusion(fusion, fused, grids=conditioner.grids[:-1]),
    )


def _codes(conditioner: VQConditioner) -> list[Codes]:
    """What each level's context, and then the fusion's, can be."""
    prototypes = conditioner.concept.codebook.codes
    return [
        Codes(branch.codebook.codes, prototypes, grid)
        for branch, grid in zip(conditioner.branches(), conditioner.grids, strict=True)
    ]


def _folded(flow: nn.Module, codes: Codes) -> FoldedFlow:
    """One level's flow."""
    assert isinstance(flow, Compose)
    return FoldedFlow(list(cast("Iterable[AffineCoupling]", flow.transforms)), codes)
