"""Blur of maps, and means over neighbourhoods."""

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["BlurredEnlargement", "gaussian_blur", "local_mean"]


def gaussian_blur(maps: Float[Tensor, "b h w"], sigma: float) -> Float[Tensor, "b h w"]:
    """Each map convolved with a Gaussian of standard deviation `sigma` pixels, borders mirrored.

    The kernel ends at three standard deviations, or at the map's size; 0 leaves maps as they are.
    """
    if sigma == 0:
        return maps
    kernel = _kernel(sigma, (maps.shape[1], maps.shape[2]), like=maps)
    x = F.pad(maps[:, None], [len(kernel) // 2] * 4, mode="reflect")
    return F.conv2d(F.conv2d(x, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]


@final
class BlurredEnlargement(nn.Module):
    """`gaussian_blur` of maps brought to a larger grid bilinearly, to rounding.

    Both steps are linear, and work along rows and columns apart: together they are one matrix for
    each side. That is a fraction of the work where a coarse map becomes a fine one.

    Args:
        grid: Rows and columns of the maps.
        size: Rows and columns that they are brought to.
        sigma: Standard deviation of the blur, pixels of the larger grid.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, grid: tuple[int, int], size: tuple[int, int], *, sigma: float) -> None:
        super().__init__()
        kernel = _kernel(sigma, size, like=torch.zeros((), dtype=torch.float64))
        sides = (_side(*pair, kernel).float() for pair in zip(grid, size, strict=True))
        for name, matrix in zip(("rows", "columns"), sides, strict=True):
            self.register_buffer(name, matrix, persistent=False)

    def forward(self, maps: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b i j"]:
        """Enlarge and blur."""
        return self.rows @ maps @ self.columns.mT


def local_mean(x: Float[Tensor, "b c h w"], side: int) -> Float[Tensor, "b c h w"]:
    """Mean over the square of this odd side around each position, as far as it lies in the map."""
    if side == 1:
        return x
    return F.avg_pool2d(x, side, stride=1, padding=side // 2, count_include_pad=False)


def _kernel(sigma: float, size: tuple[int, int], *, like: Tensor) -> Float[Tensor, " k"]:
    """The Gaussian's weights over a map of this size."""
    radius = min(round(3 * sigma), *(side - 1 for side in size))
    offsets = torch.arange(-radius, radius + 1, device=like.device, dtype=like.dtype)
    if sigma == 0:
        return torch.ones_like(offsets)
    weights = (-0.5 * (offsets / sigma).square()).exp()
    return weights / weights.sum()


def _side(
    side: int, enlarged: int, kernel: Float[Tensor, " k"]
) -> Float[Tensor, "{enlarged} {side}"]:
    """What every value along a side adds to every place along the enlarged and blurred one."""
    values = torch.eye(side, dtype=kernel.dtype)[:, None]
    wide = F.interpolate(values, enlarged, mode="linear", align_corners=False)
    wide = F.pad(wide, [len(kernel) // 2] * 2, mode="reflect")
    return F.conv1d(wide, kernel.view(1, 1, -1))[:, 0].mT
