"""From levels to anomaly maps and image scores: the absolute form, and the published ones."""

from dataclasses import dataclass

import torch
from torch import Tensor

from normalis.detectors.levels import MapForm, upsample
from normalis.detectors.records import PaperScores, top_mean

__all__ = ["ScoreForm", "paper_scores"]


@dataclass(frozen=True, kw_only=True)
class ScoreForm:
    """How likelihoods become a map and an image score.

    Attributes:
        maps: The absolute form.
        absolute: The standardised absolute likelihood; otherwise the published maps.
        log_det: Count the log-determinant in the absolute form.
    """

    maps: MapForm
    absolute: bool
    log_det: bool


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
