"""DICOM series in: a folder of slices becomes one volume."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from normalis.errors import ImageError
from normalis.volumes.volume import Volume, checked_volume

__all__ = ["read_series"]

UNEVEN = 0.1  # of a step; slices that lie further from even ones have a gap between them

# DICOM counts towards the patient's left and back, NIfTI towards right and front.
TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class _Slice:
    """One file of a series."""

    path: Path
    series: str
    shape: tuple[int, int]
    origin: Float64[np.ndarray, "3"]
    along_columns: Float64[np.ndarray, "3"]
    along_rows: Float64[np.ndarray, "3"]
    data: Any

    @property
    def height(self) -> float:
        """Millimetres along the slices' normal."""
        return float(self.origin @ np.cross(self.along_columns, self.along_rows))


def read_series(folder: Path) -> Volume:
    """The one series of slices in a folder, ordered by where they lie, not by name.

    Raises:
        ImageError: No slices, or of several series; slices that are missing, double, of another
            size, or without a place in space; or what `checked_volume` refuses.
    """
    slices = sorted(_slices(folder), key=lambda one: one.height)
    _require_one_series(folder, slices)
    _require_even_steps(folder, slices)
    first, last = slices[0], slices[-1]
    affine = np.eye(4)
    # Stored as [column, row, slice]: the first index runs along a row of the slice.
    affine[:3, 0] = first.along_columns * _spacing(first)[1]
    affine[:3, 1] = first.along_rows * _spacing(first)[0]
    affine[:3, 2] = (last.origin - first.origin) / (len(slices) - 1)
    affine[:3, 3] = first.origin
    voxels = np.stack([_pixels(one).T for one in slices], axis=2)
    return checked_volume(folder, voxels, affine=TO_RAS @ affine)


def _slices(folder: Path) -> list[_Slice]:
    """Every image in the folder; files that are no DICOM are passed over."""
    try:
        import pydicom
        from pydicom.errors import InvalidDicomError
    except ImportError as error:
        raise ImageError(
            f"{folder}: reading DICOM needs pydicom: pip install normalis[medical]."
        ) from error
    found: list[_Slice] = []
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            data = pydicom.dcmread(path)
        except InvalidDicomError:
            continue
        except (OSError, EOFError, ValueError) as error:
            raise ImageError(f"{path}: is damaged ({error}); copy it again.") from error
        if "Rows" in data:
            found.append(_slice(path, data))
    if len(found) < 2:
        raise ImageError(
            f"{folder}: has {len(found)} DICOM slices; a series of at least 2 is needed."
        )
    return found


def _slice(path: Path, data: Any) -> _Slice:  # noqa: ANN401
    """Where a slice lies."""
    if int(data.get("NumberOfFrames", 1)) > 1 or int(data.get("SamplesPerPixel", 1)) > 1:
        raise ImageError(
            f"{path}: holds several frames or colours; export the series as one grey slice a file."
        )
    missing = [
        name
        for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "PixelData")
        if data.get(name) is None
    ]
    if missing:
        raise ImageError(f"{path}: does not state {missing[0]}; it is no slice of a scan.")
    orientation = np.asarray(data.ImageOrientationPatient, np.float64)
    return _Slice(
        path=path,
        series=str(data.get("SeriesInstanceUID", "")),
        shape=(int(data.Rows), int(data.Columns)),
        origin=np.asarray(data.ImagePositionPatient, np.float64),
        along_columns=orientation[:3],
        along_rows=orientation[3:],
        data=data,
    )


def _require_one_series(folder: Path, slices: list[_Slice]) -> None:
    """All slices of one series, one size and one orientation."""
    series = sorted({one.series for one in slices})
    if len(series) > 1:
        raise ImageError(
            f"{folder}: holds {len(series)} series ({', '.join(series[:3])}); put each into a "
            "folder of its own."
        )
    first = slices[0]
    for one in slices:
        if one.shape != first.shape:
            raise ImageError(
                f"{one.path}: is {one.shape[0]} x {one.shape[1]} pixels, and {first.path.name} is "
                f"{first.shape[0]} x {first.shape[1]}; the slices of a series have one size."
            )
        turned = np.abs(one.along_columns - first.along_columns).max() > 1e-3
        if turned or np.abs(one.along_rows - first.along_rows).max() > 1e-3:
            raise ImageError(
                f"{one.path}: is turned against {first.path.name}; a series has one orientation."
            )


def _require_even_steps(folder: Path, slices: list[_Slice]) -> None:
    """No slice is missing, and none is there twice."""
    heights = np.array([one.height for one in slices])
    steps = np.diff(heights)
    usual = float(np.median(steps))
    for number, step in enumerate(steps):
        lower, upper = slices[number].path.name, slices[number + 1].path.name
        if step < 1e-3:
            raise ImageError(f"{folder}: {lower} and {upper} lie at one place; remove one of them.")
        if abs(step - usual) > UNEVEN * usual:
            lost = max(1, round(step / usual) - 1)
            raise ImageError(
                f"{folder}: between {lower} and {upper} are {step:.2f} mm where {usual:.2f} mm are "
                f"usual, so {lost} slices seem to be missing; export the series again."
            )


def _spacing(one: _Slice) -> tuple[float, float]:
    """Millimetres between rows, and between columns."""
    between_rows, between_columns = one.data.PixelSpacing
    return float(between_rows), float(between_columns)


def _pixels(one: _Slice) -> Float64[np.ndarray, "rows columns"]:
    """The slice's values, in the scanner's units."""
    try:
        raw = one.data.pixel_array.astype(np.float64)
    except (AttributeError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ImageError(
            f"{one.path}: its pixels cannot be decoded ({' '.join(str(error).split())[:200]}); "
            "export the series uncompressed."
        ) from error
    slope = float(one.data.get("RescaleSlope", 1))
    return raw * slope + float(one.data.get("RescaleIntercept", 0))
