"""Volumes by their path: a NIfTI file, or a folder that holds a DICOM series."""

from pathlib import Path

from normalis.errors import DatasetError
from normalis.volumes.dicom import read_series
from normalis.volumes.nifti import read_nifti
from normalis.volumes.volume import Volume

__all__ = ["SUFFIXES", "list_volumes", "read_volume"]

SUFFIXES = (".nii", ".nii.gz")


def list_volumes(path: Path) -> tuple[Path, ...]:
    """The volumes at a path: the file itself, or every NIfTI file and DICOM series below a folder.

    A series is a folder with files that end in `.dcm`.

    Raises:
        DatasetError: The path is not there, or there is no volume.
    """
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise DatasetError(f"{path}: is not there; give a NIfTI file, or a folder of volumes.")
    files = [file for file in path.rglob("*") if file.name.lower().endswith(SUFFIXES)]
    series = {file.parent for file in path.rglob("*.dcm")}
    found = tuple(sorted([*files, *series]))
    if not found:
        raise DatasetError(
            f"{path}: there is no volume here: no file ends in .nii, .nii.gz or, as a slice of a "
            "DICOM series, in .dcm."
        )
    return found


def read_volume(path: Path) -> Volume:
    """A NIfTI file, or the DICOM series of a folder.

    Raises:
        ImageError: See `read_nifti` and `read_series`.
    """
    return read_series(path) if path.is_dir() else read_nifti(path)
