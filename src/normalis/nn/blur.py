"""Blur of maps, and means over neighbourhoods."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["gaussian_blur", "local_mean"]


def gaussian_blur(maps: Float[Tensor, "b h w"], sigma: float) -> Float[Tensor, "b h w"]:
    """Each map convolved with a Gaussian of standard deviation `sigma` pixels, borders mirrored.

    The kernel ends at three standard deviations, or at the map's size; 0 leaves maps as they are.
    """
    if sigma == 0:
        return maps
    radius = min(round(3 * sigma), *(side - 1 for side in maps.shape[1:]))
    offsets = torch.arange(-radius, radius + 1, device=maps.device, dtype=maps.dtype)
    kernel = (-0.5 * (offsets / sigma).square()).exp()
    kernel = kernel / kernel.sum()
    x = F.pad(maps[:, None], [radius] * 4, mode="reflect")
    return F.conv2d(F.conv2d(x, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]


def local_mean(x: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b c h w"]:
    """Mean over the square of this odd side around each position, as far as it lies in the map."""
    if side == 1:
        return x
    return F.avg_pool2d(x, side, stride=1, padding=side // 2, count_include_pad=False)
