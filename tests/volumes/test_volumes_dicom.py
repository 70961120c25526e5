"""A folder of slices becomes one volume, or one clear sentence."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from volume_samples import SHAPE, affine_of, ball, opened, write_series

from normalis.errors import ImageError
from normalis.volumes import read_series, write_like


def test_slices_lie_by_their_position_and_not_by_their_name(tmp_path: Path) -> None:
    volume = read_series(write_series(tmp_path / "scan"))
    np.testing.assert_allclose(volume.values, ball(), atol=0.5)
    assert volume.spacing == (1.0, 2.0, 3.0)


def test_other_files_in_the_folder_are_passed_over(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "scan")
    (folder / "README.txt").write_text("not a slice")
    assert read_series(folder).values.shape == SHAPE


def test_a_map_of_a_series_opens_where_the_patient_lay(tmp_path: Path) -> None:
    volume = read_series(write_series(tmp_path / "scan"))
    write_like(volume, volume.values, path=tmp_path / "map.nii.gz")
    written = opened(tmp_path / "map.nii.gz")
    canonical = nibabel.as_closest_canonical(written)
    np.testing.assert_allclose(canonical.get_fdata(), ball(), atol=0.5)
    # The first stored voxel lay at (-4.5, -11, 0) by DICOM, which counts towards left and back.
    np.testing.assert_allclose(affine_of(tmp_path / "map.nii.gz")[:3, 3], [4.5, 11.0, 0.0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"skip": (3, 4)}, "2 slices seem to be missing"),
        ({"skip": tuple(range(1, 8))}, "1 DICOM slices"),
        ({"ImagePositionPatient": lambda z: [0, 0, 3.0 * max(1, z)]}, "lie at one place"),
        ({"SeriesInstanceUID": lambda z: f"1.2.{z}"}, "holds 8 series"),
        ({"ImagePositionPatient": None}, "does not state ImagePositionPatient"),
        ({"PixelData": None}, "does not state PixelData"),
        ({"NumberOfFrames": 2}, "several frames"),
        ({"Rows": lambda z: 12 - (z == 5)}, "the slices of a series have one size"),
        (
            {"ImageOrientationPatient": lambda z: [1, 0, 0, 0, 1, 0] if z else [0, 1, 0, 1, 0, 0]},
            "one orientation",
        ),
        ({"PixelData": b"\0" * 4}, "cannot be decoded"),
        ({"RescaleSlope": 0}, "every voxel is"),
    ],
)
def test_what_is_no_series_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    folder = write_series(tmp_path / "scan", **changes)
    with pytest.raises(ImageError, match=words) as caught:
        read_series(folder)
    assert str(folder) in str(caught.value)


def test_a_truncated_slice_is_named(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "scan")
    path = folder / "slice-95.dcm"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ImageError, match="slice-95"):
        read_series(folder)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="0 DICOM slices"):
        read_series(tmp_path)
