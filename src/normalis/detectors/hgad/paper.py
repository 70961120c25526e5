"""The published maps of HGAD: how far two quantities stay below their maxima, multiplied."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from normalis.detectors.levels import upsample
from normalis.nn.blur import gaussian_blur

__all__ = ["SMOOTHING", "Quantities", "product_maps"]

SMOOTHING = 4.0  # of the published maps, pixels (METHODS §2.4)


@dataclass(frozen=True)
class Quantities:
    r"""What the published score is made of, at each position of every level.

    Attributes:
        likelihood: $\ell$, log-likelihood, nats per dimension.
        certainty: $n$, negative entropy of the classes, nats.
    """

    likelihood: tuple[Float[Tensor, "b _ _"], ...]
    certainty: tuple[Float[Tensor, "b _ _"], ...]

    @classmethod
    def joined(cls, parts: Sequence["Quantities"]) -> "Quantities":
        """Those of all these pictures."""
        return cls(
            tuple(torch.cat(level) for level in zip(*(p.likelihood for p in parts), strict=True)),
            tuple(torch.cat(level) for level in zip(*(p.certainty for p in parts), strict=True)),
        )

    def highest(self) -> Float[Tensor, "2 l"]:
        """The maximum of each quantity at each level, over all pictures and positions."""
        return torch.stack(
            [torch.stack([level.amax() for level in q]) for q in (self.likelihood, self.certainty)]
        )


def product_maps(
    quantities: Quantities,
    size: tuple[int, int],
    *,
    highest: Float[Tensor, "2 l"] | None = None,
) -> Float[Tensor, "b h w"]:
    r"""The published map of each picture (METHODS §2.4).

    Of each quantity and level $e^{q - max}$ is brought to one grid and summed over the levels;
    what the sum lacks to its highest value is blurred; the two maps are multiplied.

    Args:
        quantities: Of the pictures; where `highest` is None, of a whole test set.
        size: Rows and columns of the maps.
        highest: Reference maxima from held-out pictures, in place of those of the pictures: then a
            map depends on its picture alone. The highest sum is then the number of levels.
    """
    whole_set = highest is None
    tops = quantities.highest() if whole_set else highest
    assert tops is not None
    product = torch.ones(())
    for levels, top in zip((quantities.likelihood, quantities.certainty), tops, strict=True):
        shares = [upsample((q - m).exp(), size) for q, m in zip(levels, top, strict=True)]
        total = torch.stack(shares).sum(0)
        most = total.amax() if whole_set else len(levels)
        product = product.to(total) * gaussian_blur(most - total, SMOOTHING)
    return product
