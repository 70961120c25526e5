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
        own = concept if len(self.codes) > 1 else torch.zeros_like(concept)
        rows = z.flatten(2).mT
        if z.device.type != "cpu" or torch.compiler.is_exporting():
            squared = self._squared_at_once(rows, own)
        else:  # the table of all distances at once would leave the cache
            pairs = zip(rows, self.codes[own], strict=True)
            squared = torch.stack([nearest_distances(some, known) for some, known in pairs])
        return (squared / (2 * z.shape[1])).unflatten(1, z.shape[2:])

    def _squared_at_once(
        self, rows: Float[Tensor, "b n c"], own: Int[Tensor, " b"]
    ) -> Float[Tensor, "b n"]:
        """Squared distances to the nearest code: the table of all is one product of matrices."""
        table = torch.cat([-2 * self.codes.mT, self.codes.square().sum(2)[:, None]], dim=1)
        ones = rows.new_ones(1, 1, 1).expand(rows.shape[0], rows.shape[1], 1)
        least = (torch.cat([rows, ones], dim=2) @ table[own]).amin(2)
        return (rows.square().sum(2) + least).clamp_min(0)
