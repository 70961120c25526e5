"""NIfTI in any orientation, maps back on the same grid, and what is refused."""

import gzip
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
from volume_samples import SHAPE, affine_of, ball, opened, write_nifti

from normalis.errors import ImageError
from normalis.volumes import read_nifti, write_like

ORIENTATIONS = [
    (axes, flips) for axes in permutations(range(3)) for flips in product((1, -1), repeat=3)
]


def reoriented(axes: tuple[int, ...], flips: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The ball stored with these axes, some of them running the other way, and its affine."""
    first = nibabel.Nifti1Image(ball().astype(np.float32), np.diag([1.0, 2.0, 3.0, 1.0]))
    image = first.as_reoriented([[a, f] for a, f in zip(axes, flips, strict=True)])
    assert image.affine is not None
    return np.asarray(image.dataobj), image.affine


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS[::5])
def test_every_orientation_is_read_alike(
    tmp_path: Path, axes: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    stored, affine = reoriented(axes, flips)
    volume = read_nifti(write_nifti(tmp_path / "scan.nii", stored, affine=affine))
    np.testing.assert_allclose(volume.values, ball(), rtol=1e-5)
    assert volume.spacing == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(("axes", "flips"), ORIENTATIONS[::5])
@pytest.mark.parametrize("name", ["map.nii", "map.nii.gz"])
def test_a_map_lies_where_its_voxels_do(
    tmp_path: Path, axes: tuple[int, ...], flips: tuple[int, ...], name: str
) -> None:
    """Written and opened by another program, it has the scan's grid, affine and units."""
    stored, affine = reoriented(axes, flips)
    path = write_nifti(tmp_path / "scan.nii", stored.astype(np.int16), affine=affine, xyzt_units=10)
    volume = read_nifti(path)
    write_like(volume, volume.values * 2, path=tmp_path / name)
    scan, written = opened(path), opened(tmp_path / name)
    np.testing.assert_array_equal(written.affine, scan.affine)
    np.testing.assert_allclose(written.get_fdata(), 2 * scan.get_fdata())
    assert written.header.get_xyzt_units() == scan.header.get_xyzt_units()
    assert written.get_data_dtype() == np.float32


def test_an_oblique_scan_is_cut_along_the_nearest_axes(tmp_path: Path) -> None:
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]])
    affine = np.eye(4)
    affine[:2, :3] = turn * [1.0, 2.0, 3.0]
    affine[2, 2] = 3.0
    volume = read_nifti(write_nifti(tmp_path / "scan.nii", affine=affine))
    np.testing.assert_allclose(volume.values, ball(), rtol=1e-5)
    assert volume.spacing == pytest.approx((1.0, 2.0, 3.0))
    write_like(volume, volume.values, path=tmp_path / "map.nii")
    np.testing.assert_allclose(affine_of(tmp_path / "map.nii"), affine)


def test_a_fourth_axis_of_one_is_dropped(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii", ball().astype(np.float32)[..., None])
    assert read_nifti(path).values.shape == SHAPE


def made(**changes: float) -> np.ndarray:
    values = ball().astype(np.float32)
    for value in changes.values():
        values[3, 4, 5] = value
    return values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (made(at=np.nan), "1 of 960 voxels are infinite or NaN"),
        (made(at=np.inf), "1 of 960 voxels are infinite or NaN"),
        (np.zeros((4, 4, 4), np.float32), "every voxel is 0"),
        (np.zeros((4, 4, 4), np.uint8), "every voxel is 0"),
        (np.ones((4, 4, 1), np.float32), "empty or flat"),
        (np.zeros((4, 4, 4, 3), np.float32), "has 4 dimensions"),
        (np.zeros((4, 4), np.float32), "has 2 dimensions"),
        ((ball() > 200).astype(np.uint8), "map of labels"),
        (ball().astype(np.complex64), "colours or complex"),
    ],
)
def test_what_is_no_scan_is_refused(tmp_path: Path, values: np.ndarray, words: str) -> None:
    path = write_nifti(tmp_path / "scan.nii.gz", values)
    with pytest.raises(ImageError, match=words) as caught:
        read_nifti(path)
    assert str(path) in str(caught.value)


def test_labels_are_known_by_their_intent(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "scan.nii", intent_code=1002)
    with pytest.raises(ImageError, match="by its intent"):
        read_nifti(path)


@pytest.mark.parametrize("column", [[0, 0, 0], [np.nan, 0, 0], [0, 2, 0]])
def test_an_affine_that_is_none_is_refused(tmp_path: Path, column: list[float]) -> None:
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    affine[:3, 0] = column
    path = tmp_path / "scan.nii"
    image = nibabel.Nifti1Image(ball().astype(np.float32), None)
    image.header["sform_code"] = 1
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
        image.header[name] = affine[row]
    image.to_filename(path)
    content = bytearray(path.read_bytes())
    content[254:256] = (1).to_bytes(2, "little")
    content[280:328] = affine[:3].astype("<f4").tobytes()
    path.write_bytes(content)
    with pytest.raises(ImageError, match="places no volume in space"):
        read_nifti(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_damaged_file_is_named(tmp_path: Path, suffix: str) -> None:
    path = write_nifti(tmp_path / f"scan{suffix}")
    whole = path.read_bytes()
    for content in (b"", b"not a scan at all", whole[:100], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ImageError, match=r"scan\.nii"):
            read_nifti(path)
    path.write_bytes(gzip.compress(b"x" * 400) if suffix == ".nii.gz" else b"x" * 400)
    with pytest.raises(ImageError, match=r"scan\.nii"):
        read_nifti(path)


def test_a_missing_file_and_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="nowhere"):
        read_nifti(tmp_path / "nowhere.nii")
    volume = read_nifti(write_nifti(tmp_path / "scan.nii"))
    with pytest.raises(ImageError, match="cannot be written"):
        write_like(volume, volume.values, path=tmp_path / "no" / "map.nii")
