"""Convolutions over channels-last maps with fewer multiplications, for fitted weights."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PointwiseConv", "WinogradConv", "channels_last_conv"]

# From this many positions of a map on, tiles of 4x4 save more than their larger filters cost.
POSITIONS_FOR_LARGE_TILES = 400

# F(2, 3) and F(4, 3) of Lavin and Gray, section 4: input, filter and output transform.
_SMALL = (
    ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
    ((1, 1, 1, 0), (0, 1, -1, -1)),
)
_LARGE = (
    (
        (4, 0, -5, 0, 1, 0),
        (0, -4, -4, 1, 1, 0),
        (0, 4, -4, -1, 1, 0),
        (0, -2, -1, 2, 1, 0),
        (0, 2, -1, -2, 1, 0),
        (0, 4, 0, -5, 0, 1),
    ),
    (
        (1 / 4, 0, 0),
        (-1 / 6, -1 / 6, -1 / 6),
        (-1 / 6, 1 / 6, -1 / 6),
        (1 / 24, 1 / 12, 1 / 6),
        (1 / 24, -1 / 12, 1 / 6),
        (0, 0, 1),
    ),
    ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
)


class PointwiseConv(nn.Module):
    """A 1x1 convolution: one matrix for every position.

    Args:
        weight: `o c 1 1`.
        bias: `o`, or None.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Float[Tensor, "o c 1 1"], bias: Float[Tensor, " o"] | None) -> None:
        super().__init__()
        self.register_buffer("weight", weight[:, :, 0, 0].contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w o"]:
        """Convolve."""
        return F.linear(x, self.weight, self.bias)


class WinogradConv(nn.Module):
    r"""A 3x3 convolution, stride 1 and zero padding 1, by minimal filtering.

    The map is cut into tiles of $m \times m$ outputs, which overlap in their inputs. Transformed,
    a tile needs one product of matrices for each of $(m+2)^2$ places where the plain sum has
    $9 m^2$: 2.25 times fewer multiplications for $m = 2$, 4 times fewer for $m = 4$, whose
    rounding is some ten times coarser.

    Args:
        weight: `o c 3 3`.
        bias: `o`, or None.
        tile: $m$, 2 or 4.

    References:
        Lavin and Gray, *Fast algorithms for convolutional neural networks*, arXiv 1509.09308.
    """

    spread: Tensor
    weight: Tensor
    collect: Tensor
    bias: Tensor | None

    def __init__(
        self, weight: Float[Tensor, "o c 3 3"], bias: Float[Tensor, " o"] | None, *, tile: int
    ) -> None:
        super().__init__()
        assert tile in (2, 4)
        self.tile = tile
        rows = _SMALL if tile == 2 else _LARGE
        spread, filters, collect = (torch.tensor(r, dtype=torch.float64) for r in rows)
        u = torch.einsum("pi,qj,ocij->pqco", filters, filters, weight.detach().double().cpu())
        self.register_buffer("spread", torch.kron(spread, spread).to(weight))
        self.register_buffer("weight", u.flatten(0, 1).to(weight).contiguous())
        self.register_buffer("collect", torch.kron(collect, collect).to(weight))
        self.register_buffer("bias", bias)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w o"]:
        """Convolve."""
        b, h, w, c = x.shape
        m, n = self.tile, self.tile + 2
        rows, columns = -(-h // m), -(-w // m)
        padded = F.pad(x, (0, 0, 1, columns * m - w + 1, 1, rows * m - h + 1))
        tiles = padded.unfold(1, n, m).unfold(2, n, m).permute(4, 5, 0, 1, 2, 3)
        places = (self.spread @ tiles.reshape(n * n, -1)).view(n * n, -1, c)
        products = torch.bmm(places, self.weight).flatten(1)
        out = (self.collect @ products).view(m, m, b, rows, columns, -1)
        whole = out.permute(2, 3, 0, 4, 1, 5).reshape(b, rows * m, columns * m, -1)
        return _added(whole[:, :h, :w], self.bias)


def channels_last_conv(
    weight: Float[Tensor, "o c k k"], bias: Float[Tensor, " o"] | None, *, grid: tuple[int, int]
) -> PointwiseConv | WinogradConv:
    """A convolution with these weights that keeps the grid, over `b h w c` maps.

    Args:
        weight: Side 1 or 3.
        bias: One for each output, or None.
        grid: Rows and columns of the maps, for the choice of the tile.
    """
    if weight.shape[-1] == 1:
        return PointwiseConv(weight, bias)
    large = grid[0] * grid[1] >= POSITIONS_FOR_LARGE_TILES
    return WinogradConv(weight, bias, tile=4 if large else 2)


def _added(
    x: Float[Tensor, "b h w o"], bias: Float[Tensor, " o"] | None
) -> Float[Tensor, "b h w o"]:
    """`x` with the bias, in place: a fresh map of this size costs as much as the sum."""
    return x if bias is None else x.add_(bias)
