"""Codes of what each concept is made of, and how far a feature is from the nearest."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.quantize.nearest import (
    kmeans,
    nearest_codes,
    nearest_distances,
    nearest_with_distances,
)

__all__ = ["ConceptMemory", "UsualEnergies"]

# Features' worth of belief that energies around one code are those around all of its concept.
USUAL_SHRINKAGE = 16.0
# Least spread of energies: where every feature has a code of its own, none says how they vary.
LEAST_SPREAD = 1e-6


class UsualEnergies:
    """Sums of the energies of features around each code, collected batch by batch in float64.

    Args:
        memory: Its codes are set.
    """

    def __init__(self, memory: "ConceptMemory") -> None:
        self.memory = memory
        self.sums = torch.zeros(3, *memory.codes.shape[:2], dtype=torch.float64)

    def add(self, z: Float[Tensor, "b c h w"], concept: Int[Tensor, " b"]) -> None:
        """Count a batch of maps of these concepts."""
        for picture, k in zip(z, self.memory.rows_of(concept).tolist(), strict=True):
            features, codes = picture.flatten(1).mT, self.memory.codes[k]
            index = nearest_codes(features, codes)
            energy = (features - codes[index]).square().mean(1) / 2
            for total, power in zip(self.sums, (0, 1, 2), strict=True):
                total[k].index_add_(0, index.cpu(), energy.double().cpu() ** power)

    def moments(self) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
        """Mean and standard deviation around each code, drawn towards the concept's.

        A concept without features has those of all.
        """
        count, *powers = self.sums
        pictured = count.sum(1, keepdim=True)
        everywhere = [total.sum() / count.sum().clamp_min(1) for total in powers]
        own = [
            torch.where(pictured > 0, total.sum(1, keepdim=True) / pictured.clamp_min(1), over_all)
            for total, over_all in zip(powers, everywhere, strict=True)
        ]
        mean, square = (
            (total + USUAL_SHRINKAGE * usual) / (count + USUAL_SHRINKAGE)
            for total, usual in zip(powers, own, strict=True)
        )
        return mean, (square - mean.square()).clamp_min(LEAST_SPREAD**2).sqrt()


class ConceptMemory(nn.Module):
    r"""Codes of each concept; the energy of a feature is $\min_j \|z - e_{k,j}\|^2 / 2C$.

    A density says how likely a feature is, a memory whether anything like it was seen: a product
    that looks one of several ways, and never between them, has no likelier place than between them
    for a Gaussian, and none for codes.

    Good pictures do not vary everywhere alike: a glint lies far from all that was seen, and so does
    every other glint. With `by_code` energies are standardised by those of good features that the
    same code is nearest to: what counts is what lies far for its own kind.

    Args:
        concepts: Number of concepts; 1 serves pictures of every concept.
        codes: Codes of each concept.
        channels: $C$.
        by_code: Standardise energies by what is usual at the nearest code, once that is set.

    References:
        Ours; k-means in place of the core set of PatchCore (Roth et al., arXiv 2106.08265).
    """

    codes: Tensor
    location: Tensor
    spread: Tensor

    def __init__(self, concepts: int, *, codes: int, channels: int, by_code: bool = False) -> None:
        super().__init__()
        self.by_code = by_code
        self.register_buffer("codes", torch.zeros(concepts, codes, channels))
        self.register_buffer("location", torch.zeros(concepts, codes))
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

    @torch.no_grad()
    def set_usual(self, energies: UsualEnergies) -> None:
        """Take what is usual around each code."""
        moments = energies.moments()
        # Codes that are there twice are one, of which the first was asked.
        first = torch.stack([nearest_codes(codes, codes) for codes in self.codes])
        for own, usual in zip((self.location, self.spread), moments, strict=True):
            own.copy_(usual.to(first.device).gather(1, first))

    def forward(
        self, z: Float[Tensor, "b c h w"], concept: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h w"]:
        """The energy at each position."""
        return self.answers(z, concept)[0]

    def answers(
        self, z: Float[Tensor, "b c h w"], concept: Int[Tensor, " b"]
    ) -> list[Float[Tensor, "b h w"]]:
        """The energy at each position; with `by_code` a second time, not standardised."""
        own = self.rows_of(concept)
        rows = z.flatten(2).mT
        if z.device.type != "cpu" or torch.compiler.is_exporting():
            energies = self._energies_at_once(rows, own)
        else:  # the table of all distances at once would leave the cache
            tables = (self.codes[own], self.location[own], self.spread[own])
            each = [self._energies(*one) for one in zip(rows, *tables, strict=True)]
            energies = [torch.stack(alike) for alike in zip(*each, strict=True)]
        return [energy.unflatten(1, z.shape[2:]) for energy in energies]

    def rows_of(self, concept: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        """The row of each picture's concept; a table of one row serves all."""
        return concept if len(self.codes) > 1 else torch.zeros_like(concept)

    def _energies(
        self,
        rows: Float[Tensor, "n c"],
        codes: Float[Tensor, "k c"],
        location: Float[Tensor, " k"],
        spread: Float[Tensor, " k"],
    ) -> list[Float[Tensor, " n"]]:
        """The energies at the positions of one picture."""
        if not self.by_code:
            return [nearest_distances(rows, codes) / (2 * rows.shape[1])]
        index, squared = nearest_with_distances(rows, codes)
        energy = squared / (2 * rows.shape[1])
        return [(energy - location[index]) / spread[index], energy]

    def _energies_at_once(
        self, rows: Float[Tensor, "b n c"], own: Int[Tensor, " b"]
    ) -> list[Float[Tensor, "b n"]]:
        """The energies at all positions: the table of all distances is one product of matrices."""
        table = torch.cat([-2 * self.codes.mT, self.codes.square().sum(2)[:, None]], dim=1)
        ones = rows.new_ones(1, 1, 1).expand(rows.shape[0], rows.shape[1], 1)
        cross = torch.cat([rows, ones], dim=2) @ table[own]
        least = cross.amin(2, keepdim=True)
        squared = (rows.square().sum(2) + least[:, :, 0]).clamp_min(0)
        energy = squared / (2 * rows.shape[2])
        if not self.by_code:
            return [energy]
        # An index would have to be a whole number, which bfloat16 is not beyond 256.
        nearest = (cross <= least).to(cross.dtype)
        usual = torch.stack([self.location, self.spread, torch.ones_like(self.spread)], dim=2)
        location, spread, count = (nearest @ usual[own]).unbind(2)
        return [(count * energy - location) / spread, energy]
