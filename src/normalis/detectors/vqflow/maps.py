"""The published anomaly maps of VQ-Flow."""

import torch
from torch import Tensor

from normalis.detectors.contract import PaperScores, top_mean
from normalis.detectors.levels import upsample

__all__ = ["paper_scores"]


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
