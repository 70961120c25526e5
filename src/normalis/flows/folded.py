r"""Flows whose context can take few values: its share of every convolution is looked up.

The context of VQ-Flow at a position is a sum of a pattern code, one of a few hundred, of the place,
and of the concept's prototype, one of a few. The first convolution of every network is linear, so
that $conv([x_1; c]) = conv_x(x_1) + conv_c(c)$, and $conv_c(c)$ is a sum of rows of a table: one
for the code under each tap, one for the place, one for the concept and the border's shape
(METHODS §1.8). It is equal to the dense form up to rounding, and for scoring only: codes that
training moves would leave the tables behind.
"""

from collections.abc import Iterable
from math import prod
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.flows.context import CodedContext, Codes, ContextRows
from normalis.flows.coupling import AffineCoupling
from normalis.flows.folded_coupling import FoldedCouplings, Rows, bias_of, first_layer, normalised
from normalis.flows.fusion import FusionCoupling, FusionSubnet, resize
from normalis.nn.layers import ChannelNorm
from normalis.nn.winograd import PointwiseConv, channels_last_conv

__all__ = ["FoldedFlow", "FoldedFusion"]

LARGE_MAP = 1 << 20  # values between two convolutions of one picture


class FoldedConv(nn.Module):
    """A convolution over `x` and a coded context, stacked.

    Args:
        conv: The dense convolution over the channels of `x` and then of the context.
        rows: Which rows of the table make up the context.
    """

    table: Tensor

    def __init__(self, conv: nn.Conv2d, rows: ContextRows) -> None:
        super().__init__()
        weight, bias, codes = conv.weight.detach(), bias_of(conv), rows.codes
        own = weight.shape[1] - codes.patterns.shape[1] - codes.prototypes.shape[1]
        self.register_buffer("table", rows.table(weight[:, own:], bias))
        self.own = channels_last_conv(weight[:, :own], None, grid=codes.grid)

    def forward(self, x: Float[Tensor, "b h w c"], rows: Rows) -> Float[Tensor, "b h w o"]:
        """Convolve."""
        if not isinstance(rows, Tensor):
            return sum((F.embedding(row, self.table) for row in rows), start=self.own(x))
        told = F.embedding_bag(rows, self.table, mode="sum")
        if isinstance(self.own, PointwiseConv):  # one product into what was looked up
            return told.addmm_(x.flatten(0, 2), self.own.weight.T).view(*x.shape[:3], -1)
        y = self.own(x)
        return y.add_(told.view(y.shape))


class FoldedFlow(nn.Module):
    """The couplings of one level.

    Args:
        couplings: The dense form, in the order from data to latent.
        codes: What the context can be.
    """

    def __init__(self, couplings: list[AffineCoupling], codes: Codes) -> None:
        super().__init__()
        first = first_layer(couplings[0].subnet)
        self.rows = ContextRows(codes, first.kernel_size[0])
        rows = self.rows
        self.couplings = FoldedCouplings(
            couplings, lambda layer: FoldedConv(layer, rows), grid=codes.grid
        )
        # What lies between two convolutions of several pictures would leave the cache.
        self.one_by_one = prod(codes.grid) * first.out_channels >= LARGE_MAP

    def forward(
        self, x: Float[Tensor, "b c h w"], context: CodedContext
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Data to latent: `z` and the log-determinant at each position."""
        if not self.one_by_one or torch.compiler.is_exporting():
            return self._flow(x, context)
        parts = [
            self._flow(x[i : i + 1], CodedContext(context.codes[i : i + 1], concept))
            for i, concept in enumerate(context.concept.split(1))
        ]
        return torch.cat([z for z, _ in parts]), torch.cat([log_det for _, log_det in parts])

    def _flow(
        self, x: Float[Tensor, "b c h w"], context: CodedContext
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        return self.couplings(x, _bagged(self.rows(context)))


class FoldedFusionSubnet(nn.Module):
    """The network of the fusion coupling over a coded context.

    Args:
        subnet: The dense form.
        rows: Which rows of the table make up the context, on the coarsest grid.
        grids: Rows and columns of each level.
    """

    def __init__(
        self, subnet: FusionSubnet, rows: ContextRows, *, grids: tuple[tuple[int, int], ...]
    ) -> None:
        super().__init__()
        first, norm, _, last, _ = subnet.mix.children()
        assert isinstance(first, nn.Conv2d)
        assert isinstance(norm, ChannelNorm)
        assert isinstance(last, nn.Conv2d)
        self.subnet = subnet
        self.first = FoldedConv(first, rows)
        self.norm = norm
        self.last = channels_last_conv(last.weight.detach(), bias_of(last), grid=rows.codes.grid)
        heads = zip(cast("Iterable[nn.Conv2d]", subnet.heads), grids, strict=True)
        self.heads = nn.ModuleList(
            channels_last_conv(head.weight.detach(), bias_of(head), grid=grid)
            for head, grid in heads
        )

    def forward(
        self, halves: list[Float[Tensor, "b _ _ _"]], rows: Rows
    ) -> list[Float[Tensor, "b _ _ _"]]:
        """Scale and shift of each level, stacked along the channels, which are last."""
        pooled = self.subnet.pooled([half.permute(0, 3, 1, 2) for half in halves])
        hidden = normalised(self.norm, self.first(pooled.permute(0, 2, 3, 1), rows)).relu_()
        mixed = self.last(hidden).relu_().split(self.subnet.widths, dim=-1)
        return [
            head(half + _resized(part, half))
            for head, half, part in zip(self.heads, halves, mixed, strict=True)
        ]


class FoldedFusion(nn.Module):
    """The fusion coupling over a coded context, data to latent.

    Args:
        fusion: The dense form.
        codes: What the context can be, on the coarsest grid.
        grids: Rows and columns of each level.
    """

    def __init__(
        self, fusion: FusionCoupling, codes: Codes, *, grids: tuple[tuple[int, int], ...]
    ) -> None:
        super().__init__()
        kernel = next(fusion.from_second.mix.children())
        assert isinstance(kernel, nn.Conv2d)
        self.fusion = fusion
        self.rows = ContextRows(codes, kernel.kernel_size[0])
        self.from_second = FoldedFusionSubnet(fusion.from_second, self.rows, grids=grids)
        self.from_first = FoldedFusionSubnet(fusion.from_first, self.rows, grids=grids)

    def forward(self, xs: list[Tensor], context: CodedContext) -> tuple[list[Tensor], list[Tensor]]:
        """As `FusionCoupling.forward`."""
        rows = _bagged(self.rows(context))
        permuted = [p(x)[0] for p, x in zip(self.fusion.permutations, xs, strict=True)]
        pairs = [
            x.permute(0, 2, 3, 1).split(split, dim=-1)
            for x, split in zip(permuted, self.fusion.splits, strict=True)
        ]
        a, first = self._moved([x for x, _ in pairs], self.from_second([x for _, x in pairs], rows))
        b, second = self._moved([x for _, x in pairs], self.from_first(a, rows))
        joined = [torch.cat(pair, dim=-1).permute(0, 3, 1, 2) for pair in zip(a, b, strict=True)]
        return joined, [one + other for one, other in zip(first, second, strict=True)]

    def _moved(self, xs: list[Tensor], outputs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Halves scaled and shifted, and the log-determinants of it."""
        pairs = self.fusion.scales_and_shifts(outputs, channels=-1)
        moved = [torch.addcmul(t, x, s.exp()) for x, (s, t) in zip(xs, pairs, strict=True)]
        return moved, [s.sum(-1) for s, _ in pairs]


def _resized(
    part: Float[Tensor, "b i j c"], like: Float[Tensor, "b h w c"]
) -> Float[Tensor, "b h w c"]:
    """As the dense form does it; a part that lies by itself is resized by its channels at once."""
    whole = part.contiguous().permute(0, 3, 1, 2)
    return resize(whole, like.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def _bagged(rows: list[Int[Tensor, "_ _ _"]]) -> Rows:
    """All rows of a position side by side, for one look-up of their sum."""
    if torch.compiler.is_exporting():  # other runtimes have look-ups, but no bags of them
        return rows
    return torch.stack(torch.broadcast_tensors(*rows), dim=-1).flatten(0, 2)
