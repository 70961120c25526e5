"""Foreign texture that is too fine for any restoration to show."""

from collections.abc import Sequence
from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from normalis.detectors.lsr.scale import PictureScale
from normalis.nn.blur import local_mean

__all__ = ["Grain", "graininess"]

# The second difference along one side of the second difference along the other: of an edge next to
# nothing is left, of white noise the mean square.
FINEST = ((1 / 6, -2 / 6, 1 / 6), (-2 / 6, 4 / 6, -2 / 6), (1 / 6, -2 / 6, 1 / 6))
SLOPE = ((0.0, 0.0, 0.0), (-0.5, 0.0, 0.5), (0.0, 0.0, 0.0))
FLAT = 0.2  # of a picture's contrast: slopes below it count as much, or flat places had most grain
USUAL = 0.99  # share of a held-out normal picture that lies below the unit of each map


def graininess(
    grey: Float[Tensor, "b h w"], contrast: Float[Tensor, "b 1 1"], *, side: int
) -> Float[Tensor, "b h w"]:
    """How large the finest changes around each pixel are beside all its changes.

    What codes stand for is many pixels wide, so a restoration has no such changes to compare with,
    and noise as bright as what is around it restores to what is around it.

    Args:
        grey: Pictures.
        contrast: Spread of what each shows, in the same unit.
        side: Of the square over which both are averaged, odd.

    References:
        The finest changes are those by which Immerkær estimates the noise of a whole picture
        (Computer Vision and Image Understanding 64, 1996).
    """
    around = F.pad(grey[:, None], (1, 1, 1, 1), mode="replicate")
    slope = grey.new_tensor(SLOPE)
    kernels = torch.stack([grey.new_tensor(FINEST), slope, slope.mT])
    finest, *slopes = F.conv2d(around, kernels[:, None]).unbind(1)
    steep = (slopes[0].square() + slopes[1].square()).sqrt()
    means = local_mean(torch.stack([finest.abs(), steep], 1), side)
    return means[:, 0] / (means[:, 1] + FLAT * contrast)


@final
class Grain(nn.Module):
    """Joins the map of restoration with that of the grain, each in units of what is usual.

    Args:
        weight: Of the grain.
        side: See `graininess`.
    """

    usual: Tensor

    def __init__(self, weight: float, side: int) -> None:
        super().__init__()
        self.weight, self.side = weight, side
        self.register_buffer("usual", torch.ones(2))

    def learn(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Take the units from both maps, `b h w`, of held-out normal pictures."""
        highest = [
            torch.cat(maps).flatten(1).quantile(USUAL, 1) for maps in zip(*pairs, strict=True)
        ]
        self.usual.copy_(torch.stack(highest).mean(1).clamp_min(1e-6))

    def measure(
        self,
        pictures: Float[Tensor, "b c h w"],
        restored: Float[Tensor, "b c i j"],
        *,
        scale: PictureScale,
    ) -> Float[Tensor, "b h w"]:
        """The grain of pictures, of which `restored` is what is restored, on its scale."""
        grey = pictures.float().mean(1) / scale.unit(restored)
        return graininess(grey, scale.contrast(restored), side=self.side)

    def forward(
        self, restored: Float[Tensor, "b h w"], grain: Float[Tensor, "b h w"]
    ) -> Float[Tensor, "b h w"]:
        """The sum of both: what either knows of is anomalous."""
        return restored / self.usual[0] + self.weight * grain / self.usual[1]
