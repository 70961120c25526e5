"""Codes of what each concept is made of, and how far a feature is from the nearest."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.quantize.nearest import kmeans, nearest_distances

__all__ = ["ConceptMemory"]


class ConceptMemory(nn.Module):
    r"""Codes of each concept; the energy of a feature is $\min_j \|z - e_{k,j}\|^2 / 2C$.

    A density says how likely a feature is, a memory whether anything like it was seen: a product
    that looks one of several ways, and never between them, has no likelier place than between them
    for a Gaussian, and none for codes.

    Args:
        concepts: Number of concepts; 1 serves pictures of every concept.
        codes: Codes of each concept.
        channels: $C$.

    References:
        Ours; k-means in place of the core set of PatchCore (Roth et al., arXiv 2106.08265).
    """

    codes: Tensor

    def __init__(self, concepts: int, *, codes: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(concepts, codes, channels))

    @torch.no_grad()
    def set_from(
        self, z: Float[Tensor, "n c"], concept: Int[Tensor, " n"], *, generator: torch.Generator
    ) -> None:
        """Take each concept's k-means centres; a concept without features has those of all."""
        for k in range(len(self.codes)):
            own = z[concept == k]
            rows = own if len(own) else z
            self.codes[k] = kmeans(rows, self.codes.shape[1], generator=generator, steps=10)

    def forward(
        self, z: Float[Tensor, "b c h w"], concept: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h w"]:
        """The energy at each position."""
        codes = self.codes[concept if len(self.codes) > 1 else torch.zeros_like(concept)]
        rows = z.flatten(2).mT
        if z.device.type != "cpu" or torch.compiler.is_exporting():
            cross = codes.square().sum(2)[:, None] - 2 * rows @ codes.mT
            squared = (rows.square().sum(2) + cross.amin(2)).clamp_min(0)
        else:  # the table of all distances at once would leave the cache
            pairs = zip(rows, codes, strict=True)
            squared = torch.stack([nearest_distances(own, known) for own, known in pairs])
        return (squared / (2 * z.shape[1])).unflatten(1, z.shape[2:])
