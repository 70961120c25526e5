"""A volume in the body's axes, with the way back to the grid that it came in.

Voxels are indexed `x y z` from the patient's left to right, back to front and feet to head (NIfTI's
RAS). Nothing is resampled: the stored axes are permuted and flipped, so that a slice `[:, :, z]` is
the axial one, or of the three stored planes the one nearest to it where the scan is oblique.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Num

from normalis.errors import ImageError

__all__ = ["Volume", "checked_volume", "slice_positions"]


@dataclass(frozen=True)
class Volume:
    """One scan.

    Attributes:
        path: The file, or the folder of the series.
        values: float32 `x y z`, RAS, as the scanner scales them.
        spacing: Millimetres between voxels along `x y z`.
        affine: Stored voxel indices to millimetres, RAS.
        axes: For each of `x y z`, the stored axis that runs along it.
        flips: For each of `x y z`, whether that axis runs the other way.
        header: The NIfTI header, which a written map inherits; None for a DICOM series.
    """

    path: Path
    values: Float32[np.ndarray, "x y z"]
    spacing: tuple[float, float, float]
    affine: Float64[np.ndarray, "4 4"]
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    header: Any = None

    def from_stored(self, stored: Num[np.ndarray, "i j k"]) -> Num[np.ndarray, "x y z"]:
        """Bring what is stored on this volume's grid, such as a mask, into the body's axes."""
        return _turned(stored, self.axes, self.flips)

    def to_stored(self, values: Num[np.ndarray, "x y z"]) -> Num[np.ndarray, "i j k"]:
        """Bring a map of this volume back to the order in which the volume is stored."""
        flipped = np.flip(values, tuple(axis for axis in range(3) if self.flips[axis]))
        return flipped.transpose(np.argsort(self.axes))


def checked_volume(
    path: Path,
    stored: Num[np.ndarray, "i j k"],
    *,
    affine: Float64[np.ndarray, "4 4"],
    header: Any = None,  # noqa: ANN401
) -> Volume:
    """A volume from stored voxels, refused if it cannot be one.

    Raises:
        ImageError: It is empty or constant, has infinite or NaN voxels, or its affine places no
            volume in space.
    """
    if 0 in stored.shape or min(stored.shape) < 2:
        raise ImageError(
            f"{path}: the volume is empty or flat ({_shape(stored)}); at least 2 voxels are needed "
            "along every axis."
        )
    strange = int(np.count_nonzero(~np.isfinite(stored)))
    if strange:
        raise ImageError(
            f"{path}: {strange} of {stored.size} voxels are infinite or NaN; replace them, as with "
            "numpy.nan_to_num, and save the volume again."
        )
    if stored.min() == stored.max():
        raise ImageError(f"{path}: every voxel is {stored.flat[0]:g}; the volume shows nothing.")
    axes, flips = _orientation(path, affine)
    values = _turned(stored, axes, flips)
    steps = np.linalg.norm(affine[:3, :3], axis=0)[list(axes)]
    return Volume(
        path=path,
        values=np.ascontiguousarray(values, np.float32),
        spacing=(float(steps[0]), float(steps[1]), float(steps[2])),
        affine=affine,
        axes=axes,
        flips=flips,
        header=header,
    )


def _turned(
    stored: Num[np.ndarray, "i j k"], axes: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> Num[np.ndarray, "x y z"]:
    """Stored voxels in the body's axes."""
    return np.flip(stored.transpose(axes), tuple(axis for axis in range(3) if flips[axis]))


def slice_positions(count: int) -> Float32[np.ndarray, "{count}"]:
    """$t$ of each slice from the lowest to the highest, -1/2 to 1/2 (METHODS §3.1)."""
    return np.linspace(-0.5, 0.5, count, dtype=np.float32)


def _orientation(
    path: Path, affine: Float64[np.ndarray, "4 4"]
) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Which stored axis runs along each of the body's, and whether the other way.

    Of all assignments, the one along which the axes point most.
    """
    directions = affine[:3, :3]
    steps = np.linalg.norm(directions, axis=0)
    if not np.isfinite(affine).all() or not steps.all() or abs(np.linalg.det(directions)) < 1e-9:
        raise ImageError(
            f"{path}: the affine {directions.round(4).tolist()} places no volume in space; set the "
            "sform or qform of the file."
        )
    unit = directions / steps
    orders = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    best = max(orders, key=lambda order: sum(abs(unit[i, order[i]]) for i in range(3)))
    flips = (unit[0, best[0]] < 0, unit[1, best[1]] < 0, unit[2, best[2]] < 0)
    return best, (bool(flips[0]), bool(flips[1]), bool(flips[2]))


def _shape(values: np.ndarray) -> str:
    return " x ".join(map(str, values.shape))
