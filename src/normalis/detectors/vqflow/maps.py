"""From levels to anomaly maps and image scores: the absolute form, and the published ones."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from normalis.detectors.contract import PaperScores, top_mean
from normalis.detectors.levels import upsample
from normalis.nn.blur import gaussian_blur

__all__ = ["ScoreForm", "paper_scores"]


@dataclass(frozen=True, kw_only=True)
class ScoreForm:
    """How likelihoods become a map and an image score.

    Attributes:
        size: Rows and columns of the prepared picture, which the map has too.
        absolute: The standardised absolute likelihood; otherwise the published maps.
        log_det: Count the log-determinant in the absolute form.
        neighbourhood: Side of the square whose mean feature the memories are asked for, positions;
            one number serves all.
        smoothing: Standard deviation of the blur of the absolute map, pixels.
        top_share: Share of a map's highest values that the image score averages.
        by_level: Average those of every flow's and memory's own map; otherwise of their mean.
    """

    size: tuple[int, int]
    absolute: bool
    log_det: bool
    neighbourhood: int | tuple[int, ...]
    smoothing: float
    top_share: float
    by_level: bool

    def joined(
        self, parts: list[Float[Tensor, "b h w"]]
    ) -> tuple[Float[Tensor, "b h w"], Float[Tensor, " b"]]:
        """The map and the image score of standardised maps, one of each flow and memory."""
        total = gaussian_blur(torch.stack(parts).mean(0), self.smoothing)
        if not self.by_level:
            return total, top_mean(total, self.top_share)
        tops = [top_mean(gaussian_blur(part, self.smoothing), self.top_share) for part in parts]
        return total, torch.stack(tops).mean(0)


def paper_scores(energies: list[Tensor], size: tuple[int, int], *, top_share: float) -> PaperScores:
    r"""The published scores from $-\ell_l = \frac12 mean_c z_l^2$, one `b h w` map a level."""
    shares = [upsample((e.amin((1, 2), keepdim=True) - e).exp(), size) for e in energies]
    total = torch.stack(shares).sum(0)
    summed = torch.stack([upsample(e, size) for e in energies]).sum(0)
    multiplicative = 1 - (summed.amin((1, 2), keepdim=True) - summed).exp()
    return PaperScores(
        additive=total.amax((1, 2), keepdim=True) - total,
        multiplicative=multiplicative,
        image=top_mean(multiplicative, top_share),
    )
