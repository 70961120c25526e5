"""Where a map says the defect is: its peak, and the box of the hot region around it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from scipy import ndimage

__all__ = ["Box", "Peak", "hot_box", "peak"]


@dataclass(frozen=True)
class Peak:
    """The highest pixel of a map (the first in reading order, if several are)."""

    row: int
    col: int
    value: float


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels, half open: columns x0..x1-1 and rows y0..y1-1."""

    x0: int
    y0: int
    x1: int
    y1: int


def peak(scores: Float32[np.ndarray, "h w"]) -> Peak:
    """Find the highest pixel of a map, in the map's own pixels."""
    row, col = np.unravel_index(np.argmax(scores), scores.shape)
    return Peak(int(row), int(col), float(scores[row, col]))


def hot_box(scores: Float32[np.ndarray, "h w"], level: float) -> Box | None:
    """Box the region around the peak in which the map lies above ``level``.

    Pixels that touch at a side or a corner belong together.

    Returns:
        The box in the map's own pixels, or None where the peak itself is not above ``level``.
    """
    top = peak(scores)
    if not top.value > level:
        return None
    regions = np.empty(scores.shape, np.int32)
    ndimage.label(scores > level, structure=np.ones((3, 3)), output=regions)
    rows, columns = ndimage.find_objects(regions)[regions[top.row, top.col] - 1]
    return Box(columns.start, rows.start, columns.stop, rows.stop)
