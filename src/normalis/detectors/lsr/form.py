"""How restorations become a map, and what they are."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["LSRForm", "Restorations"]


@dataclass(frozen=True, kw_only=True)
class LSRForm:
    """How restorations become a map.

    Attributes:
        size: Rows and columns of the prepared picture, which the map has too.
        level: The map of the pyramid that is restored.
        shrink: Side of the square of its pixels whose mean is restored.
        located: Behind the maps of the pyramid there is one of the slices' places.
        augments: Training pictures are turned, bent and mirrored.
        data_codes: Codes start from data.
        sample_share: Share of held-out codes beyond the sample threshold; None leaves thresholds.
        place_share: Share of held-out codes beyond the place threshold.
        sharpness: Of the weights over restorations.
        of_mean: The difference is from the mean restoration, not the mean of the differences.
        weighed: A difference counts by how unlikely the codes around it are.
        erosion: Side of the minimum filter.
        smoothing: Side of the mean filter.
        across: Slices of a volume over which minimum and mean go, too.
    """

    size: tuple[int, int]
    level: int
    shrink: int
    located: bool
    augments: bool
    data_codes: bool
    sample_share: float | None
    place_share: float
    sharpness: float
    of_mean: bool
    weighed: bool
    erosion: int
    smoothing: int
    across: int


@dataclass(frozen=True)
class Restorations:
    """What a batch of pictures would be without what is unlikely in them.

    Attributes:
        nll: `b i j`, of each code, nats.
        pictures: `b s c h w`, the restorations, as the maps that came in.
        weights: `b s`, their sum is 1.
    """

    nll: Float[Tensor, "b i j"]
    pictures: Float[Tensor, "b s c h w"]
    weights: Float[Tensor, "b s"]

    @property
    def mean(self) -> Float[Tensor, "b c h w"]:
        """The one restored picture: the weighted mean of all."""
        return torch.einsum("bs,bschw->bchw", self.weights, self.pictures)

    def difference(self, x: Float[Tensor, "b c h w"], *, of_mean: bool) -> Float[Tensor, "b h w"]:
        """Of each pixel from what it would be, mean over channels; see `LSRForm.of_mean`."""
        if of_mean:
            return (x - self.mean).abs().mean(1)
        each = (self.pictures - x[:, None]).abs().mean(2)
        return torch.einsum("bs,bshw->bhw", self.weights, each)
