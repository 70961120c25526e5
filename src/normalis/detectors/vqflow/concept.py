"""The concept branch: which of the things it has learned does this picture show?"""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.detectors.contract import Assignment
from normalis.nn.layers import SyncedBatchNorm
from normalis.quantize.ema import EMAQuantizer

__all__ = ["Concept", "ConceptBranch"]


@dataclass(frozen=True)
class Concept:
    """The concept of each picture of a batch.

    Attributes:
        prototype: `b d`, the concept's code, straight-through.
        index: `b`, which code.
        commitment: Commitment loss.
        assignment: For the codebook's update.
    """

    prototype: Float[Tensor, "b d"]
    index: Int[Tensor, " b"]
    commitment: Float[Tensor, ""]
    assignment: Assignment


class ConceptBranch(nn.Module):
    """Global average of the deepest map, a small network, and the conceptual prototype codebook.

    Args:
        channels: Channels of the deepest map.
        quantizer: The conceptual prototype codebook (CPC).

    References:
        VQ-Flow (METHODS §1.2).
    """

    def __init__(self, channels: int, quantizer: EMAQuantizer) -> None:
        super().__init__()
        width = quantizer.dim
        self.network = nn.Sequential(
            nn.Linear(channels, width, bias=False),
            SyncedBatchNorm(width),
            nn.ReLU(),
            nn.Linear(width, width, bias=False),
            SyncedBatchNorm(width),
            nn.ReLU(),
        )
        self.codebook = quantizer

    def forward(self, deepest: Float[Tensor, "b c h w"]) -> Concept:
        """One code per picture."""
        y = self.encode(deepest)
        quantized = self.codebook.quantize(y)
        assignment = Assignment("concept", y.detach(), quantized.codes, quantized.usage)
        return Concept(quantized.values, quantized.codes, quantized.commitment, assignment)

    def encode(self, deepest: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d"]:
        """The descriptor that is quantised."""
        y: Tensor = self.network(deepest.mean((2, 3)))
        return y


