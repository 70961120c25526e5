"""Affine couplings whose context is looked up: what the folded flows have in common.

What a first layer makes of the context is a row of a table (`normalis.flows.folded`,
`normalis.flows.placed`); for scoring only.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.flows.coupling import SUBNET_SCALE, AffineCoupling
from normalis.flows.linear import NARROW, HardPermutation, SoftPermutation
from normalis.nn.layers import ChannelNorm
from normalis.nn.winograd import channels_last_conv

__all__ = ["FoldedCouplings", "Rows", "bias_of", "first_layer", "normalised"]

Rows = Int[Tensor, "r t"] | list[Int[Tensor, "_ _ _"]]
"""The rows of a table at every position: side by side, or, for a graph, one after another."""


class FoldedCoupling(nn.Module):
    """An affine coupling whose context is looked up, data to latent.

    Args:
        coupling: The dense form, over the network of `normalis.nn.layers.conv_subnet`.
        first: The first layer of that, over half of the channels and the rows that are looked up.
        grid: Rows and columns of the map.
    """

    def __init__(
        self, coupling: AffineCoupling, first: nn.Module, *, grid: tuple[int, int]
    ) -> None:
        super().__init__()
        _, *between, last = coupling.subnet.children()
        assert isinstance(last, nn.Conv2d)
        self.split = [coupling.passive, coupling.active]
        self.alpha = coupling.alpha
        self.first = first
        self.norm = next((layer for layer in between if isinstance(layer, ChannelNorm)), None)
        self.last = channels_last_conv(
            SUBNET_SCALE * last.weight.detach(), SUBNET_SCALE * bias_of(last), grid=grid
        )
        self.arranged = _Arranged(coupling)

    def forward(
        self, x: Float[Tensor, "b h w c"], rows: Rows | Int[Tensor, " n"] | None
    ) -> tuple[Float[Tensor, "b h w c"], Float[Tensor, "b h w"]]:
        """Scale and shift the active half, then every channel, then permute.

        The log-determinant is that of the active half alone.
        """
        x1, x2 = x.split(self.split, dim=-1)
        hidden = self.first(x1, rows)
        hidden = (hidden if self.norm is None else normalised(self.norm, hidden)).relu_()
        a_s, a_t = self.last(hidden).chunk(2, dim=-1)
        s = self.alpha * a_s.tanh()
        y = torch.cat([x1, torch.addcmul(a_t, x2, s.exp())], dim=-1)
        return self.arranged(y), s.sum(-1)


class _Arranged(nn.Module):
    """What a coupling does to every channel: scale, offset and permutation.

    Args:
        coupling: The dense form.
    """

    gain: Tensor
    offset: Tensor

    def __init__(self, coupling: AffineCoupling) -> None:
        super().__init__()
        self.permutation = coupling.permutation
        gain, offset = coupling.gain().detach().flatten(), coupling.offset.detach()
        permutation = coupling.permutation
        self.mixes = isinstance(permutation, SoftPermutation) or len(gain) <= NARROW
        if self.mixes:
            assert isinstance(permutation, HardPermutation | SoftPermutation)
            matrix = permutation.matrix().to(gain)
            gain, offset = matrix * gain, matrix @ offset
        self.register_buffer("gain", gain)
        self.register_buffer("offset", offset)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        """Rotated, or of narrow maps, in one product, of others one after another."""
        if self.mixes:
            return F.linear(x, self.gain, self.offset)
        y, _ = self.permutation(torch.addcmul(self.offset, x, self.gain).permute(0, 3, 1, 2))
        return y.permute(0, 2, 3, 1)


class FoldedCouplings(nn.Module):
    """Couplings one after another, data to latent.

    Args:
        couplings: The dense form, in that order.
        first: Makes of a network's first layer one that looks the context up.
        grid: Rows and columns of the map.
    """

    volume: Tensor

    def __init__(
        self,
        couplings: list[AffineCoupling],
        first: Callable[[nn.Conv2d], nn.Module],
        *,
        grid: tuple[int, int],
    ) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            FoldedCoupling(c, first(first_layer(c.subnet)), grid=grid) for c in couplings
        )
        volume = torch.stack([c.gain().detach().log().sum() for c in couplings]).sum()
        self.register_buffer("volume", volume)

    def forward(
        self, x: Float[Tensor, "b c h w"], rows: Rows | Int[Tensor, " n"] | None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """`z` and the log-determinant at each position."""
        y, total = x.permute(0, 2, 3, 1), self.volume
        for step in self.steps:
            y, log_det = step(y, rows)
            total = total + log_det
        return y.permute(0, 3, 1, 2), total


def normalised(norm: ChannelNorm, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
    """Channel normalisation of a channels-last map."""
    return F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def first_layer(subnet: nn.Module) -> nn.Conv2d:
    """The first layer of a network."""
    first = next(subnet.children())
    assert isinstance(first, nn.Conv2d)
    return first


def bias_of(conv: nn.Conv2d) -> Float[Tensor, " o"]:
    """The bias of a convolution that has one."""
    assert conv.bias is not None
    return conv.bias.detach()
