"""The layout of the MOOD challenge, on a tiny made task."""

from pathlib import Path

import numpy as np
import pytest
from volume_samples import SHAPE, write_nifti

from normalis.errors import DatasetError, ImageError
from normalis.volumes import open_mood, read_mask_like, read_nifti

LAS = np.diag([-1.0, 2.0, 3.0, 1.0])  # the first axis is stored from right to left


def made_task(root: Path) -> Path:
    """Two healthy volumes, and two of which the second has a marked corner."""
    for folder in ("brain_train", "toy", "toy_label/sample", "toy_label/pixel"):
        (root / folder).mkdir(parents=True)
    for name in ("00000", "00001"):
        write_nifti(root / "brain_train" / f"{name}.nii.gz")
    for number, marked in enumerate((False, True)):
        name = f"toy_{number}.nii.gz"
        write_nifti(root / "toy" / name, affine=LAS)
        mask = np.zeros(SHAPE, np.float32)
        mask[0, 0, 0] = marked
        write_nifti(root / "toy_label" / "pixel" / name, mask, affine=LAS)
        (root / "toy_label" / "sample" / f"{name}.txt").write_text(f"{int(marked)}\n")
    return root


def test_training_and_labelled_volumes_are_found(tmp_path: Path) -> None:
    task = open_mood(made_task(tmp_path))
    assert [path.name for path in task.train] == ["00000.nii.gz", "00001.nii.gz"]
    assert [case.is_anomalous for case in task.toy] == [False, True]
    assert [case.path.name for case in task.toy] == ["toy_0.nii.gz", "toy_1.nii.gz"]


def test_masks_lie_on_the_volumes_voxels(tmp_path: Path) -> None:
    """The first stored voxel of an axis that runs from right to left is the rightmost."""
    first, second = open_mood(made_task(tmp_path)).toy
    assert first.mask is not None
    assert second.mask is not None
    assert not read_mask_like(read_nifti(first.path), first.mask).any()
    marked = read_mask_like(read_nifti(second.path), second.mask)
    assert np.argwhere(marked).tolist() == [[SHAPE[0] - 1, 0, 0]]


@pytest.mark.parametrize("affine", [LAS, np.eye(4)], ids=["shape", "affine"])
def test_a_mask_of_another_grid_is_refused(tmp_path: Path, affine: np.ndarray) -> None:
    case = open_mood(made_task(tmp_path)).toy[1]
    other = write_nifti(
        tmp_path / "other.nii", np.zeros((3, *SHAPE[1:]) if affine is LAS else SHAPE), affine=affine
    )
    with pytest.raises(ImageError, match=r"other\.nii: marks voxels of another grid"):
        read_mask_like(read_nifti(case.path), other)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    task = made_task(tmp_path)
    label = task / "toy_label" / "sample" / "toy_1.nii.gz.txt"
    label.write_text("perhaps")
    with pytest.raises(DatasetError, match=r"toy_1\.nii\.gz\.txt: the label is 'perhaps'"):
        open_mood(task)
    label.unlink()
    with pytest.raises(DatasetError, match=r"the label of toy_1\.nii\.gz cannot be read"):
        open_mood(task)
    for path in (task / "toy").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"toy: no file here ends in \.nii"):
        open_mood(task)
    (task / "toy").rmdir()
    with pytest.raises(DatasetError, match="toy: is not there"):
        open_mood(task)
    with pytest.raises(DatasetError, match="has 0 folders whose name ends in _train"):
        open_mood(tmp_path / "toy_label")
