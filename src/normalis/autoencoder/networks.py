"""The encoder and the decoder of LSR, which its baselines share."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from normalis.nn.layers import SyncedBatchNorm

__all__ = ["Decoder", "Encoder", "GatedBlock"]

DROPOUT = 0.1


class GatedBlock(nn.Module):
    """A gated residual block: norm, ELU, conv 3x3, ELU, dropout, conv 3x3, norm, gate, plus input.

    Args:
        channels: In and out.

    References:
        LSR (METHODS §3.1).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            SyncedBatchNorm(channels),
            nn.ELU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ELU(),
            nn.Dropout2d(DROPOUT),
            # No bias: the normalisation behind it would take it away.
            nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
            SyncedBatchNorm(2 * channels),
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The shape is kept."""
        return x + F.glu(self.body(x), dim=1)


class Encoder(nn.Module):
    """Pictures to latents; each step between two widths halves both sides.

    Args:
        channels: Of a picture.
        widths: Channels at each resolution; the last is the latent's.
        blocks: Gated blocks at each resolution but the last.
        stem: Stride of the first convolution: 1 (paper), or 2, which spares the costly layers at
            the picture's own resolution.
        located: Whether slices have a position, a further plane.

    References:
        LSR (METHODS §3.1).
    """

    def __init__(
        self, channels: int, *, widths: tuple[int, ...], blocks: int, stem: int, located: bool
    ) -> None:
        super().__init__()
        first = nn.Conv2d(channels + located, widths[0], 7, stride=stem, padding=3, bias=False)
        layers: list[nn.Module] = [first, SyncedBatchNorm(widths[0])]
        for inputs, outputs in pairwise(widths):
            layers += [GatedBlock(inputs) for _ in range(blocks)]
            layers += [nn.Conv2d(inputs, outputs, 5, stride=2, padding=2, bias=False)]
            layers += [SyncedBatchNorm(outputs)]
        self.layers = nn.Sequential(*layers, GatedBlock(widths[-1]))
        self.located = located

    def forward(
        self, x: Float[Tensor, "b c h w"], position: Float[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b d i j"]:
        """Latents of pictures whose sides every step can halve."""
        return self.layers(_with_plane(x, position, located=self.located))


class Decoder(nn.Module):
    """Latents to pictures, the encoder's mirror image.

    Args:
        channels: Of a picture.
        widths: As the encoder's, the latent's last.
        blocks: Gated blocks at each resolution but the finest, which has one.
        stem: The encoder's; the last convolution gives as many pixels a side for each place.
        located: Whether slices have a position, a further plane.

    References:
        LSR (METHODS §3.1).
    """

    def __init__(
        self, channels: int, *, widths: tuple[int, ...], blocks: int, stem: int, located: bool
    ) -> None:
        super().__init__()
        last = widths[-1]
        first = nn.Conv2d(last + located, last, 3, padding=1, bias=False)
        layers: list[nn.Module] = [first, SyncedBatchNorm(last)]
        for inputs, outputs in pairwise(reversed(widths)):
            layers += [GatedBlock(inputs) for _ in range(blocks)]
            layers += [nn.ConvTranspose2d(inputs, outputs, 6, stride=2, padding=2, bias=False)]
            layers += [SyncedBatchNorm(outputs)]
        layers += [GatedBlock(widths[0]), nn.ELU(), nn.Conv2d(widths[0], channels * stem**2, 1)]
        self.layers = nn.Sequential(*layers, nn.PixelShuffle(stem))
        self.located = located

    def forward(
        self, z: Float[Tensor, "b d i j"], position: Float[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """Pictures of latents."""
        return self.layers(_with_plane(z, position, located=self.located))


def _with_plane(
    x: Float[Tensor, "b c h w"], position: Float[Tensor, " b"] | None, *, located: bool
) -> Float[Tensor, "b _ h w"]:
    """The maps, with a plane of the slice's position where slices have one."""
    assert located == (position is not None), "a network of slices needs positions, others none"
    if position is None:
        return x
    plane = position.to(x.dtype)[:, None, None, None].expand(-1, 1, *x.shape[2:])
    return torch.cat([x, plane], 1)
