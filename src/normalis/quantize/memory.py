"""Codes of what each concept is made of, and how far a feature is from the nearest."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.quantize.nearest import code_counts, kmeans, nearest_codes

__all__ = ["ConceptMemory"]

# Features' worth of belief that around a code it varies as around all.
SPREAD_SHRINKAGE = 16.0
# Features so few that each has a code of its own do not vary at all, as far as that says.
LEAST_SPREAD = 1e-6


class ConceptMemory(nn.Module):
    r"""Codes of each concept; the energy of a feature is $\min_j \|z - e_{k,j}\|^2 / 2C$.

    A density says how likely a feature is, a memory whether anything like it was seen: a product
    that looks one of several ways, and never between them, has no likelier place than between them
    for a Gaussian, and none for codes.

    Good pictures do not vary everywhere alike: a glint lies far from all that was seen, and so does
    every other glint. With `by_code` an energy is divided by the mean energy of the features that
    the same code was nearest to when it was made: what is far is what lies far for its own kind.

    Args:
        concepts: Number of concepts; 1 serves pictures of every concept.
        codes: Codes of each concept.
        channels: $C$.
        by_code: Count energies in units of what is usual at the nearest code.

    References:
        Ours; k-means in place of the core set of PatchCore (Roth et al., arXiv 2106.08265).
    """

    codes: Tensor
    spread: Tensor

    def __init__(self, concepts: int, *, codes: int, channels: int, by_code: bool = False) -> None:
        super().__init__()
        self.by_code = by_code
        self.register_buffer("codes", torch.zeros(concepts, codes, channels))
        self.register_buffer("spread", torch.ones(concepts, codes))

    @torch.no_grad()
    def set_from(
        self, z: Float[Tensor, "n c"], concept: Int[Tensor, " n"], *, generator: torch.Generator
    ) -> None:
        """Take each concept's k-means centres; a concept without features has those of all."""
        for k in range(len(self.codes)):
            own = z[concept == k]
            rows = own if len(own) else z
            self.codes[k] = kmeans(rows, self.codes.shape[1], generator=generator, steps=10)
            if self.by_code:
                self.spread[k] = _spread(rows, self.codes[k])

    def forward(
        self, z: Float[Tensor, "b c h w"], concept: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h w"]:
        """The energy at each position."""
        k = concept if len(self.codes) > 1 else torch.zeros_like(concept)
        codes = self.codes[k]
        rows = z.flatten(2).mT
        cross = codes.square().sum(2)[:, None] - 2 * rows @ codes.mT
        least = cross.amin(2, keepdim=True)
        squared = rows.square().sum(2) + least[:, :, 0]
        energy = squared.clamp_min(0) / (2 * z.shape[1])
        if self.by_code:
            # Not by the nearest code's index: an argmin takes longer than the distances do.
            nearest = torch.where(cross <= least, self.spread[k][:, None], 0)
            energy = energy / nearest.amax(2)
        return energy.unflatten(1, z.shape[2:])


def _spread(rows: Float[Tensor, "n c"], codes: Float[Tensor, "k c"]) -> Float[Tensor, " k"]:
    """The mean energy of each code's own features, drawn towards that of all."""
    index = nearest_codes(rows, codes)
    energy = (rows - codes[index]).square().mean(1) / 2
    counts = code_counts(index, len(codes))
    sums = torch.zeros_like(counts).index_add_(0, index, energy)
    belief = SPREAD_SHRINKAGE
    return ((sums + belief * energy.mean()) / (counts + belief)).clamp_min(LEAST_SPREAD)
