"""Which class a picture shows, by its global descriptor: what serves as label where none is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.detectors.concepts import FixedEncoder, concept_codes

__all__ = ["ClassFinder", "Guess", "told"]


@dataclass(frozen=True)
class Guess:
    """Of each picture the class, and how much speaks for it."""

    concept: Int[Tensor, " b"]
    probability: Float[Tensor, " b"]


class ClassFinder(nn.Module):
    """One code per class in the space of descriptors.

    Args:
        encoder: From global averages to descriptors.
        classes: Number of classes.
        width: Dimension of the descriptor.
    """

    codes: Tensor

    def __init__(self, encoder: FixedEncoder, *, classes: int, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("codes", torch.zeros(classes, width))

    @torch.no_grad()
    def set_from(
        self,
        averages: Float[Tensor, "n c"],
        label: Int[Tensor, " n"] | None,
        *,
        generator: torch.Generator,
    ) -> None:
        """Set descriptor and codes from the training pictures.

        Args:
            averages: Their global averages.
            label: Their classes, each with a picture at least; None to find classes as clusters.
            generator: Source of every random choice.
        """
        self.encoder.set_from(averages)
        y = self.encoder(averages)
        self.codes.copy_(concept_codes(y, label, size=len(self.codes), generator=generator))

    def forward(self, averages: Float[Tensor, "b c"], *, most: int) -> Int[Tensor, "b n"]:
        """The `most` likeliest classes of each picture, the nearest code first."""
        # Not `cdist`, which computes otherwise for larger batches: no graph could hold that.
        distances = (self.encoder(averages)[:, None] - self.codes).square().sum(2)
        return distances.topk(min(most, len(self.codes)), dim=1, largest=False).indices

    def nearest(self, averages: Float[Tensor, "b c"]) -> Int[Tensor, " b"]:
        """The class of each picture by the descriptor alone."""
        return self(averages, most=1)[:, 0]


def told(
    batches: Iterable[list[Tensor]], label: Int[Tensor, " n"]
) -> Iterator[tuple[list[Tensor], Int[Tensor, " b"]]]:
    """The maps of the pictures, and the classes that these count as."""
    start = 0
    for maps in batches:
        yield maps, label[start : start + len(maps[0])]
        start += len(maps[0])
