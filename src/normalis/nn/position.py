"""Two-dimensional sinusoidal position encoding."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["position_encoding"]


def position_encoding(
    channels: int, grid: tuple[int, int], *, device: torch.device | None = None
) -> Float[Tensor, "d h w"]:
    r"""Sines and cosines of the pixel index, the column in the first half, the row in the second.

    With $D' = D/2$ and $\omega_k = 10000^{-2k/D'}$: $PE_{2k} = \sin(w\omega_k)$,
    $PE_{2k+1} = \cos(w\omega_k)$, and the same of $h$ in the second half. The index is not divided
    by the size of the grid.

    Args:
        channels: $D$, divisible by 4.
        grid: Rows and columns, $h$ and $w$.
        device: Where the result lies.

    Returns:
        float32 in [-1, 1].

    References:
        VQ-Flow and HGAD (METHODS §0.2).
    """
    assert channels % 4 == 0, "the number of channels of a position encoding is divisible by 4"
    half = channels // 2
    height, width = grid
    omega = 10000.0 ** (-torch.arange(0, half, 2, device=device, dtype=torch.float32) / half)
    column = _waves(width, omega)[:, None, :].expand(half, height, width)
    row = _waves(height, omega)[:, :, None].expand(half, height, width)
    return torch.cat([column, row])


def _waves(length: int, omega: Float[Tensor, " k"]) -> Float[Tensor, "d n"]:
    """Interleaved sines and cosines of 0..length-1."""
    angle = omega[:, None] * torch.arange(length, device=omega.device, dtype=torch.float32)
    return torch.stack([angle.sin(), angle.cos()], dim=1).flatten(0, 1)
