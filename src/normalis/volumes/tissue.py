"""The scale of a volume's tissue, and its slices as grey pictures."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Num

from normalis.images.decode import Picture

__all__ = ["Tissue", "normalised", "picture_plane", "slice_picture", "slice_plane"]

FOREGROUND = 0.02  # share of the brightest voxels' value above which a voxel shows tissue
DARKEST, DEVIATIONS = 0.2, 4.0  # tissue is shown from this grey to white, so far around its mean


@dataclass(frozen=True)
class Tissue:
    """What a volume's values mean, whatever the scanner's scale.

    Attributes:
        lowest: A voxel above this shows tissue, in the scanner's units.
        mean: Of the tissue.
        spread: Its standard deviation.
    """

    lowest: float
    mean: float
    spread: float

    @classmethod
    def of(cls, values: Float32[np.ndarray, "x y z"]) -> "Tissue":
        """Measured; a volume without tissue has mean 0 and spread 1."""
        lowest = float(FOREGROUND * np.quantile(values, 0.999))
        inside = values[values > lowest].astype(np.float64)
        if not len(inside):
            return cls(lowest, 0.0, 1.0)
        return cls(lowest, float(inside.mean()), max(float(inside.std()), 1e-6))

    def shows(self, values: Float32[np.ndarray, "*grid"]) -> Bool[np.ndarray, "*grid"]:
        """Where there is tissue."""
        return values > self.lowest

    def grey(self, values: Float32[np.ndarray, "*grid"]) -> Float32[np.ndarray, "*grid"]:
        """Values as grey in [0, 1]: background black, tissue from dark grey to white."""
        deviation = (values - self.mean) / self.spread
        shown = DARKEST + (1 - DARKEST) * (deviation / DEVIATIONS + 1) / 2
        grey = np.where(self.shows(values), np.clip(shown, DARKEST, 1), 0)
        return grey.astype(np.float32)

    def values(self, grey: Float32[np.ndarray, "*grid"]) -> Float32[np.ndarray, "*grid"]:
        """The scanner's values of grey; what is darker than half of the darkest tissue is 0."""
        deviation = DEVIATIONS * (2 * (grey - DARKEST) / (1 - DARKEST) - 1)
        found = np.where(grey < DARKEST / 2, 0, deviation * self.spread + self.mean)
        return found.astype(np.float32)


def normalised(values: Float32[np.ndarray, "x y z"]) -> Float32[np.ndarray, "x y z"]:
    """Tissue with mean 0 and variance 1; the background, which is below a small threshold, stays 0.

    References:
        The preparation of brain volumes (METHODS §3.4).
    """
    tissue = Tissue.of(values)
    scaled = (values - tissue.mean) / tissue.spread
    return np.where(tissue.shows(values), scaled, 0).astype(np.float32)


def slice_plane(values: Num[np.ndarray, "x y"]) -> Num[np.ndarray, "h w"]:
    """An axial slice as radiologists see it: front above, the patient's right on the left."""
    return values.T[::-1, ::-1]


def picture_plane(plane: Num[np.ndarray, "h w"]) -> Num[np.ndarray, "x y"]:
    """The way back from `slice_plane`."""
    return plane[::-1, ::-1].T


def slice_picture(grey: Float32[np.ndarray, "x y"], *, position: float) -> Picture:
    """An axial slice as a picture of 16 bits, with its place in the volume (`slice_positions`)."""
    plane = (65535 * slice_plane(grey)).round().astype(np.uint16)
    return Picture(np.repeat(plane[:, :, None], 3, axis=2), "I;16", position)
