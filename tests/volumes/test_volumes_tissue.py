"""Grey slices of tissue, and the way back to the scanner's values and the body's axes."""

import numpy as np
import pytest
from volume_samples import ball, write_nifti, write_series

from normalis.errors import DatasetError
from normalis.volumes import (
    Tissue,
    list_volumes,
    picture_plane,
    read_volume,
    slice_picture,
    slice_plane,
)


def head() -> np.ndarray:
    """The ball's surroundings, with empty space at one side."""
    values = ball().astype(np.float32)
    values[:, :3] = 0
    return values


def test_grey_and_back() -> None:
    values = head()
    tissue = Tissue.of(values)
    grey = tissue.grey(values)
    assert grey.min() == 0
    assert grey.max() <= 1
    assert (grey[values > 0] >= 0.2).all()
    within = np.abs(values - tissue.mean) < 4 * tissue.spread
    np.testing.assert_allclose(tissue.values(grey)[within], values[within], rtol=1e-3)


def test_the_scanners_scale_does_not_show() -> None:
    first, second = head(), 3 * head()
    np.testing.assert_allclose(
        Tissue.of(first).grey(first), Tissue.of(second).grey(second), atol=1e-4
    )


def test_nothing_is_no_tissue() -> None:
    empty = np.zeros((3, 3, 3), np.float32)
    assert not Tissue.of(empty).grey(empty).any()


def test_a_slice_shows_the_front_above_and_the_right_on_the_left() -> None:
    """The ball lies left in front: on the right above, as radiologists look from the feet."""
    plane = slice_plane(ball()[:, :, 6])
    row, column = np.unravel_index(plane.argmax(), plane.shape)
    assert row < plane.shape[0] / 2
    assert column > plane.shape[1] / 2
    np.testing.assert_array_equal(picture_plane(plane), ball()[:, :, 6])


def test_a_slice_is_a_picture_of_sixteen_bits() -> None:
    grey = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    picture = slice_picture(grey, position=0.25)
    assert picture.position == 0.25
    assert (picture.height, picture.width) == (4, 3)
    assert picture.pixels.dtype == np.uint16
    assert picture.pixels.max() == 65535


def test_volumes_are_found_by_their_names(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("volumes")
    write_nifti(folder / "b.nii.gz")
    (folder / "deep").mkdir()
    write_nifti(folder / "deep" / "a.nii")
    write_series(folder / "series")
    found = list_volumes(folder)
    assert [path.name for path in found] == ["b.nii.gz", "a.nii", "series"]
    assert len({read_volume(path).values.shape for path in found}) == 1
    assert list_volumes(folder / "b.nii.gz") == (folder / "b.nii.gz",)
    for missing in (folder / "nowhere", tmp_path_factory.mktemp("empty")):
        with pytest.raises(DatasetError, match=str(missing)):
            list_volumes(missing)
