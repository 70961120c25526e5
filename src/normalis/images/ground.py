"""A picture seen coarsely: its range, and where its product lies."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

from normalis.images.decode import Picture

__all__ = ["Ground", "look_coarsely"]

_SHORTER_SIDE = 96  # at most so many samples
_LEAST = 0.05  # a product or a ground smaller than this share was not told apart


@dataclass(frozen=True)
class Ground:
    """A picture seen coarsely.

    Attributes:
        step: Pixels of the original from one sample to the next.
        samples: `h w c` of the picture's own values, blurred a little.
        low: The picture's darkest value, but for the last half percent.
        high: Its brightest, likewise.
        product: Where the product is: what is not of the border's colour and joined to the border;
            everywhere, if that tells nothing apart.
    """

    step: int
    samples: Float32[np.ndarray, "h w c"]
    low: float
    high: float
    product: Bool[np.ndarray, "h w"]

    @property
    def span(self) -> float:
        """The picture's own range; a flat picture has none, and 1 stands for it."""
        return max(self.high - self.low, 1.0)

    @property
    def is_grey(self) -> bool:
        """Whether all channels are alike."""
        return not np.ptp(self.samples, axis=2).any()


def look_coarsely(picture: Picture) -> Ground:
    """Take every so many pixels of a picture, and tell its product from its ground.

    Args:
        picture: Of any size, 8 or 16 bits.
    """
    step = math.ceil(min(picture.height, picture.width) / _SHORTER_SIDE)
    planes = picture.pixels[::step, ::step, : 3 if picture.pixels.dtype == np.uint8 else 1]
    samples = ndimage.gaussian_filter(planes.astype(np.float32), 1, axes=(0, 1))
    low, high = (float(value) for value in np.percentile(planes, [0.5, 99.5]))
    return Ground(step, samples, low, high, _product(samples))


def _product(samples: Float32[np.ndarray, "h w c"]) -> Bool[np.ndarray, "h w"]:
    """What is not of the border's colour or not joined to the border; else everywhere."""
    edge = np.zeros(samples.shape[:2], dtype=bool)
    edge[[0, -1]] = edge[:, [0, -1]] = True
    distance = np.abs(samples - np.median(samples[edge], axis=0)).max(axis=2)
    alike = distance <= max(1.5 * np.quantile(distance[edge], 0.9), 0.1 * np.ptp(samples))
    regions = np.empty(alike.shape, np.int32)
    ndimage.label(alike, output=regions)
    ground = np.isin(regions, np.unique(regions[edge & alike])) & alike
    # What is dark or bright on the product may touch the ground; it is the product's all the same.
    product = ndimage.binary_closing(np.pad(~ground, 4, mode="edge"), iterations=4)[4:-4, 4:-4]
    product = ndimage.binary_erosion(ndimage.binary_fill_holes(product), border_value=1)
    told_apart = product.mean() > _LEAST and ground.mean() > _LEAST
    return product if told_apart else np.ones_like(product)
