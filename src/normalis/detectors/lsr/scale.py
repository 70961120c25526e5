"""The scale on which pictures are learned, and the way back."""

from collections.abc import Iterable
from typing import cast, final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PictureScale"]

DARK = 0.1  # what is below this share of a picture's brightest is background
LEAST = 0.1  # contrast of a picture that shows next to nothing
BLACK = 1e6  # stands for the median of a picture that is all black
FAR = 8.0  # standard deviations at which values of a picture that is nearly black are cut off


@final
class PictureScale(nn.Module):
    """Each channel with mean 0 and variance 1 over all training pictures.

    Args:
        channels: Of a picture.
        by_picture: Divide each picture first by the median of what it shows: then neither the
            exposure nor the scanner's gain tells one picture from another, and as few pixels do
            not move a median, what is anomalous hardly changes the scale.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, channels: int, *, by_picture: bool) -> None:
        super().__init__()
        self.by_picture = by_picture
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("spread", torch.ones(channels, 1, 1))

    @torch.no_grad()
    def learn(self, pictures: Iterable[Tensor]) -> None:
        """Take mean and spread from these batches, `b c h w`."""
        total, square, count = 0.0, 0.0, 0
        for raw in pictures:
            x = (raw / self.level(raw)).double()
            total = total + x.sum((0, 2, 3))
            square = square + x.square().sum((0, 2, 3))
            count += x.numel() // x.shape[1]
        mean = cast("Tensor", total) / count
        variance = cast("Tensor", square) / count - mean.square()
        self.mean.copy_(mean[:, None, None])
        self.spread.copy_(variance.clamp_min(1e-8).sqrt()[:, None, None])

    def forward(self, raw: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The pictures, standardised."""
        x = (raw.float() / self.level(raw) - self.mean) / self.spread
        return x.clamp(-FAR, FAR) if self.by_picture else x

    def back(
        self, x: Float[Tensor, "b *s c h w"], raw: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b *s c h w"]:
        """Standardised pictures as the picture that each belongs to came in."""
        level = self.level(raw)
        return (x * self.spread + self.mean) * (level if x.ndim == 4 else level[:, None])

    def picture(
        self, x: Float[Tensor, "b c i j"], raw: Float[Tensor, "b c i j"], *, size: tuple[int, int]
    ) -> Float[Tensor, "b c h w"] | None:
        """Standardised pictures of this size or of a whole part of it, as RGB in [0, 1].

        None of what is no picture but a map of features.
        """
        rows, columns = x.shape[2:]
        if x.shape[1] != 3 or size[0] % rows or (size[0] // rows) * columns != size[1]:
            return None
        picture = self.back(x, raw).clamp(0, 1)
        return picture if (rows, columns) == size else F.interpolate(picture, size, mode="bilinear")

    def contrast(self, raw: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 1"]:
        """How far what each picture shows varies, on the scale on which it is learned.

        Differences count in this unit where each picture has its own scale: else those of a
        picture of strong contrast would outrank all others.
        """
        if not self.by_picture:
            return raw.new_ones(raw.shape[0], 1, 1, dtype=torch.float32)
        grey, shown = _shown(raw)
        count = shown.sum(1, keepdim=True).clamp_min(1)
        mean = (grey * shown).sum(1, keepdim=True) / count
        variance = ((grey - mean).square() * shown).sum(1, keepdim=True) / count
        spread = variance.sqrt()[:, :, None] / self.level(raw)[:, 0]
        return (spread / self.spread.mean()).clamp_min(LEAST)

    def unit(self, raw: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 1"]:
        """The brightness that is 1 on the scale on which each picture is learned."""
        return self.level(raw)[:, 0] * self.spread.mean()

    def level(self, raw: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 1 1"]:
        """What each picture is divided by: 1, or the median of what it shows."""
        if not self.by_picture:
            return raw.new_ones(raw.shape[0], 1, 1, 1, dtype=torch.float32)
        grey, shown = _shown(raw)
        # By sorting, which every runtime of exported models knows: what is not shown comes last.
        ordered = torch.where(shown > 0, grey, torch.inf).sort(1).values
        middle = ((shown.sum(1, keepdim=True) - 1) / 2).clamp_min(0).long()
        median = ordered.gather(1, middle).clamp(1e-3, BLACK)
        return torch.where(median == BLACK, 1.0, median)[:, :, None, None]


def _shown(raw: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b n"], Float[Tensor, "b n"]]:
    """The brightness of each pixel, and 1 where it shows something."""
    grey = raw.float().mean(1).flatten(1)
    return grey, (grey > DARK * grey.amax(1, keepdim=True)).float()
