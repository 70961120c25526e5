"""From pixels of any size to the network's input, and the way back to original pixels.

All geometry is in continuous coordinates where pixel ``i`` covers ``[i, i + 1)``. A prepared
picture shows the rectangle `Frame.original_box` of the original inside the rectangle
`Frame.prepared_box` of the input; squash, pad and crop differ in these two rectangles only.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64, UInt16
from PIL import Image

from normalis.errors import SettingsError
from normalis.images.decode import Picture

__all__ = ["Frame", "Preparation", "Prepared", "Rectangle", "prepare"]

_FITS = ("squash", "pad", "crop")
_LONGEST_SIDE = 8192

Rectangle = tuple[float, float, float, float]
"""``(x0, y0, x1, y1)`` in continuous pixel coordinates; ``x1`` and ``y1`` lie outside."""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How a picture becomes the network's input.

    Attributes:
        height: Rows of the prepared picture, 1 to 8192.
        width: Columns of the prepared picture, 1 to 8192.
        fit: ``squash`` scales both sides freely; ``pad`` keeps the shape and fills with the mean
            of the border pixels; ``crop`` keeps the shape and takes the largest centred part.
        white_level: The value of a 16-bit sample that means white, 1 to 65535; a 12-bit camera
            has 4095.
    """

    height: int = 320
    width: int = 320
    fit: Literal["squash", "pad", "crop"] = "squash"
    white_level: int = 65535

    def __post_init__(self) -> None:
        for name, side in (("height", self.height), ("width", self.width)):
            if not 1 <= side <= _LONGEST_SIDE:
                raise SettingsError(
                    f"preparation.{name} is {side}; 1 to {_LONGEST_SIDE} are allowed."
                )
        if self.fit not in _FITS:
            raise SettingsError(f'preparation.fit is "{self.fit}"; {", ".join(_FITS)} are allowed.')
        if not 1 <= self.white_level <= 65535:
            raise SettingsError(
                f"preparation.white_level is {self.white_level}; 1 to 65535 are allowed."
            )


@dataclass(frozen=True)
class Frame:
    """How a prepared picture lies over its original.

    Attributes:
        original_height: Rows of the original.
        original_width: Columns of the original.
        prepared_height: Rows of the prepared picture.
        prepared_width: Columns of the prepared picture.
        original_box: The part of the original that the prepared picture shows.
        prepared_box: Where in the prepared picture that part lies.
    """

    original_height: int
    original_width: int
    prepared_height: int
    prepared_width: int
    original_box: Rectangle
    prepared_box: Rectangle

    def to_original(self, scores: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "H W"]:
        """Lay a map back over the original picture, bilinearly.

        Args:
            scores: A map over the whole prepared picture, at any resolution.

        Returns:
            The map in original pixels; what ``crop`` never showed gets the map's minimum.
        """
        x0, y0, x1, y1 = self.original_box
        left, top, right, bottom = self.prepared_box
        rows = _carry(self.original_height, (y0, y1), (top, bottom))
        columns = _carry(self.original_width, (x0, x1), (left, right))
        height, width = scores.shape
        # Columns first, on the small map, so that the large one is made once and in order.
        wide = _interpolate(scores.T, columns * (width / self.prepared_width)).T
        original = _interpolate(wide, rows * (height / self.prepared_height))
        original[(rows < top) | (rows > bottom)] = scores.min()
        original[:, (columns < left) | (columns > right)] = scores.min()
        return original


@dataclass(frozen=True)
class Prepared:
    """A picture ready for a network, and the way back.

    Attributes:
        pixels: CHW RGB float32 in [0, 1].
        frame: How the pixels lie over the original.
    """

    pixels: Float32[np.ndarray, "3 h w"]
    frame: Frame


def prepare(picture: Picture, preparation: Preparation) -> Prepared:
    """Scale a picture to the network's input with a Lanczos filter.

    Args:
        picture: Any size, 8 or 16 bits.
        preparation: The size wanted and how to fit a picture of another shape into it.
    """
    frame = _frame(picture.height, picture.width, preparation)
    left, top, right, bottom = (round(edge) for edge in frame.prepared_box)
    white = 255 if picture.pixels.dtype == np.uint8 else preparation.white_level
    shown = _resize(picture.pixels, (right - left, bottom - top), frame.original_box)
    canvas = np.empty((preparation.height, preparation.width, 3), np.float32)
    canvas[:] = _border_mean(picture.pixels)
    canvas[top:bottom, left:right] = shown
    pixels = np.clip(canvas.transpose(2, 0, 1) / np.float32(white), 0, 1)
    return Prepared(np.ascontiguousarray(pixels), frame)


def _frame(height: int, width: int, to: Preparation) -> Frame:
    original: Rectangle = (0.0, 0.0, float(width), float(height))
    prepared: Rectangle = (0.0, 0.0, float(to.width), float(to.height))
    if to.fit == "pad":
        scale = min(to.width / width, to.height / height)
        shown_width = max(1, round(width * scale))
        shown_height = max(1, round(height * scale))
        left = float((to.width - shown_width) // 2)
        top = float((to.height - shown_height) // 2)
        prepared = (left, top, left + shown_width, top + shown_height)
    elif to.fit == "crop":
        left = max(0.0, (width - height * to.width / to.height) / 2)
        top = max(0.0, (height - width * to.height / to.width) / 2)
        original = (left, top, width - left, height - top)
    return Frame(height, width, to.height, to.width, original, prepared)


def _resize(
    pixels: np.ndarray, size: tuple[int, int], box: Rectangle
) -> Float32[np.ndarray, "h w 3"]:
    """Lanczos; ``size`` is (width, height), as Pillow has it."""
    if pixels.dtype == np.uint8:
        shown = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, box)
        return np.asarray(shown, np.float32)
    return np.stack([_resize_deep(pixels[:, :, c], size, box) for c in range(3)], axis=2)


def _resize_deep(
    channel: UInt16[np.ndarray, "H W"], size: tuple[int, int], box: Rectangle
) -> Float32[np.ndarray, "h w"]:
    """One channel at a time in float32, which keeps 16 bits and frees its large copy at once."""
    image = Image.fromarray(channel.astype(np.float32))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box))


def _border_mean(pixels: np.ndarray) -> Float64[np.ndarray, "3"]:
    edges = (pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1])
    return np.concatenate(edges).mean(axis=0, dtype=np.float64)


def _carry(
    length: int, original: tuple[float, float], prepared: tuple[float, float]
) -> Float64[np.ndarray, "{length}"]:
    """Where the centres of ``length`` original pixels lie in the prepared picture."""
    scale = (prepared[1] - prepared[0]) / (original[1] - original[0])
    return prepared[0] + (np.arange(length) + 0.5 - original[0]) * scale


def _interpolate(
    values: Float32[np.ndarray, "n k"], positions: Float64[np.ndarray, "m"]
) -> Float32[np.ndarray, "m k"]:
    """Linear interpolation along the rows, whose values sit at their centres; flat outside."""
    places = np.clip(positions - 0.5, 0, len(values) - 1)
    lower = places.astype(np.intp)
    upper = np.minimum(lower + 1, len(values) - 1)
    result = values[lower]
    step = values[upper]
    step -= result
    step *= (places - lower).astype(np.float32)[:, None]
    result += step
    return result
