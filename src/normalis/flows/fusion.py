"""The cross-scale coupling: the latents of all levels exchange what they know."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from normalis.flows.transform import AbstractTransform
from normalis.nn.layers import ChannelNorm

__all__ = ["FusionCoupling", "FusionSubnet", "resize"]


class FusionSubnet(nn.Module):
    """Reads one half of every level, gives a scale and a shift for the other half of every level.

    All levels are pooled to the coarsest grid, mixed there by two convolutions, brought back to
    their own grids, and added to the level's own half, before one convolution each gives scale
    and shift (METHODS §1.4, the networks $G$).

    Args:
        widths: Channels read at each level.
        outputs: Channels of scale, and of shift, at each level.
        context: Channels of the context, on the coarsest grid; 0 for none.
        kernel: Side of the heads' convolutions, which run on every level's full grid.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        outputs: tuple[int, ...],
        *,
        context: int,
        kernel: int = 3,
    ) -> None:
        super().__init__()
        total = sum(widths)
        hidden = max(1, (total + context) // 4)
        self.widths = widths
        self.mix = nn.Sequential(
            nn.Conv2d(total + context, hidden, 3, padding=1),
            ChannelNorm(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, total, 3, padding=1),
            nn.ReLU(),
        )
        self.heads = nn.ModuleList(
            nn.Conv2d(width, 2 * out, kernel, padding=kernel // 2)
            for width, out in zip(widths, outputs, strict=True)
        )
        for parameter in self.heads.parameters():
            # A fusion that starts as the identity does not disturb the latents it is given.
            nn.init.zeros_(parameter)

    def forward(self, halves: list[Tensor], context: Tensor | None) -> list[Tensor]:
        """Scale and shift of each level, stacked along the channels."""
        pooled = self.pooled(halves)
        mixed = self.mix(pooled if context is None else torch.cat([pooled, context], dim=1))
        return self.spread(mixed, halves)

    def pooled(self, halves: list[Tensor]) -> Float[Tensor, "b k h w"]:
        """All levels on the coarsest grid, stacked along the channels."""
        h, w = min((half.shape[-2:] for half in halves), key=lambda size: size[0] * size[1])
        return torch.cat([F.adaptive_avg_pool2d(half, (h, w)) for half in halves], dim=1)

    def spread(self, mixed: Float[Tensor, "b k h w"], halves: list[Tensor]) -> list[Tensor]:
        """Scale and shift of each level from what the mixture says and the level's own half."""
        parts = mixed.split(self.widths, dim=1)
        return [
            head(half + resize(part, half)).to(half.dtype)
            for head, half, part in zip(self.heads, halves, parts, strict=True)
        ]


class FusionCoupling(nn.Module):
    r"""One coupling over all levels together, in which both halves are transformed.

    After a fixed permutation each level is halved into $A_l$ and $B_l$; the $B$ of all levels
    transform every $A_l$, then the new $A$ transform every $B_l$:
    $A_l \leftarrow A_l \odot e^{\kappa(s_A)} + t_A$, with
    $\kappa(s) = 0.636\,\alpha \arctan(s/\alpha)$.

    Args:
        channels: Channels of each level.
        permutations: One step that keeps volumes per level.
        context: Channels of the context, on the coarsest grid; 0 for none.
        kernel: Side of the heads' convolutions; 3 as published.
        alpha: Bound of the scale is $0.999\,\alpha$.

    References:
        VQ-Flow (METHODS §1.4, fusion flow).
    """

    def __init__(
        self,
        channels: tuple[int, ...],
        permutations: list[AbstractTransform],
        *,
        context: int,
        kernel: int = 3,
        alpha: float = 1.9,
    ) -> None:
        super().__init__()
        second = tuple(c // 2 for c in channels)
        first = tuple(c - half for c, half in zip(channels, second, strict=True))
        self.splits = list(zip(first, second, strict=True))
        self.permutations = nn.ModuleList(permutations)
        self.from_second = FusionSubnet(second, first, context=context, kernel=kernel)
        self.from_first = FusionSubnet(first, second, context=context, kernel=kernel)
        self.alpha = alpha

    def forward(
        self, xs: list[Tensor], context: Tensor | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Data to latent.

        Args:
            xs: One `b c h w` map per level.
            context: `b k h w` on the coarsest level's grid.

        Returns:
            The transformed maps, and the log-determinant at each position of each level.
        """
        xs = [p(x)[0] for p, x in zip(self.permutations, xs, strict=True)]
        a, b = self._halve(xs)
        st_a = self.scales_and_shifts(self.from_second(b, context))
        a = [x * s.exp() + t for x, (s, t) in zip(a, st_a, strict=True)]
        st_b = self.scales_and_shifts(self.from_first(a, context))
        b = [x * s.exp() + t for x, (s, t) in zip(b, st_b, strict=True)]
        log_dets = [sa.sum(1) + sb.sum(1) for (sa, _), (sb, _) in zip(st_a, st_b, strict=True)]
        return [torch.cat(pair, dim=1) for pair in zip(a, b, strict=True)], log_dets

    def inverse(
        self, zs: list[Tensor], context: Tensor | None = None
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Latent to data: the maps, and the log-determinants of this direction."""
        a, b = self._halve(zs)
        st_b = self.scales_and_shifts(self.from_first(a, context))
        b = [(z - t) * (-s).exp() for z, (s, t) in zip(b, st_b, strict=True)]
        st_a = self.scales_and_shifts(self.from_second(b, context))
        a = [(z - t) * (-s).exp() for z, (s, t) in zip(a, st_a, strict=True)]
        log_dets = [-sa.sum(1) - sb.sum(1) for (sa, _), (sb, _) in zip(st_a, st_b, strict=True)]
        joined = [torch.cat(pair, dim=1) for pair in zip(a, b, strict=True)]
        return [_undo(p, x) for p, x in zip(self.permutations, joined, strict=True)], log_dets

    def _halve(self, xs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """First and second half of every level."""
        pairs = [x.split(split, dim=1) for x, split in zip(xs, self.splits, strict=True)]
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    def scales_and_shifts(
        self, outputs: list[Tensor], *, channels: int = 1
    ) -> list[tuple[Tensor, Tensor]]:
        r"""$\kappa(s)$ and $t$ of each level, whose channels are on this axis."""
        pairs = [out.chunk(2, dim=channels) for out in outputs]
        return [(self.alpha * 0.636 * torch.atan(s / self.alpha), t) for s, t in pairs]


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Bilinear, corners aligned, to the grid of `like`."""
    return F.interpolate(x, list(like.shape[-2:]), mode="bilinear", align_corners=True)


def _undo(transform: nn.Module, z: Tensor) -> Tensor:
    """The inverse of a step that keeps volumes."""
    assert isinstance(transform, AbstractTransform)
    return transform.inverse(z)[0]
