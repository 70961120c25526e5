"""The concept branch: which of the things it has learned does this picture show?"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.detectors.concepts import FixedEncoder, concept_codes, global_averages
from normalis.detectors.records import Assignment
from normalis.nn.layers import SyncedBatchNorm
from normalis.quantize.ema import EMAQuantizer

__all__ = ["Concept", "ConceptBranch", "LearnedEncoder"]


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


class LearnedEncoder(nn.Module):
    """The published descriptor: two layers over the deepest map's average, learned with the flow.

    Args:
        channels: Channels of every map of the pyramid, the deepest last.
        width: Dimension of the descriptor.

    References:
        VQ-Flow (METHODS §1.2).
    """

    def __init__(self, channels: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(channels[-1], width, bias=False),
            SyncedBatchNorm(width),
            nn.ReLU(),
            nn.Linear(width, width, bias=False),
            SyncedBatchNorm(width),
            nn.ReLU(),
        )

    def set_from(self, averages: Float[Tensor, "n c"]) -> None:
        """Nothing is set from data; the network learns."""

    def forward(self, averages: Float[Tensor, "b c"]) -> Float[Tensor, "b d"]:
        """Descriptors of global averages, of which the deepest map's are read."""
        first = self.network[0]
        assert isinstance(first, nn.Linear)
        y: Tensor = self.network(averages[:, -first.in_features :])
        return y


class ConceptBranch(nn.Module):
    """Global averages, a descriptor, and the conceptual prototype codebook.

    Args:
        encoder: From the global averages of all maps to the descriptor.
        quantizer: The conceptual prototype codebook (CPC).

    References:
        VQ-Flow (METHODS §1.2).
    """

    def __init__(self, encoder: FixedEncoder | LearnedEncoder, quantizer: EMAQuantizer) -> None:
        super().__init__()
        self.encoder = encoder
        self.codebook = quantizer

    def forward(self, maps: list[Tensor]) -> Concept:
        """One code per picture."""
        y = self.encoder(global_averages(maps))
        quantized = self.codebook.quantize(y)
        assignment = Assignment("concept", y.detach(), quantized.codes, quantized.usage)
        return Concept(quantized.values, quantized.codes, quantized.commitment, assignment)

    @torch.no_grad()
    def set_from(
        self,
        averages: Float[Tensor, "n c"],
        label: Int[Tensor, " n"] | None,
        *,
        generator: torch.Generator,
    ) -> None:
        """Set encoder and codes from the global averages of the training pictures.

        Args:
            averages: One row for each picture.
            label: Their concepts, each with a picture at least; None to take clusters.
            generator: Source of every random choice.
        """
        self.encoder.set_from(averages)
        self.codebook.set_codes(
            concept_codes(
                self.encoder(averages), label, size=self.codebook.size, generator=generator
            )
        )

    @torch.no_grad()
    def update(self, assignment: Assignment, generator: torch.Generator) -> None:
        """Move the codes; those over a fixed descriptor stay where they were found."""
        if isinstance(self.encoder, LearnedEncoder):
            self.codebook.update(assignment.inputs, assignment.codes, generator=generator)
