"""NIfTI files in and out."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Num

from normalis.errors import ImageError
from normalis.images.write import replacing
from normalis.volumes.volume import Volume, checked_volume

__all__ = ["read_mask_like", "read_nifti", "write_like"]

LABEL_INTENT = 1002
FEW = 12  # an integer volume with no more distinct values than this is a map of labels


def read_nifti(path: Path) -> Volume:
    """One scan from a `.nii` or `.nii.gz` file.

    A fourth axis of length one is dropped. An oblique affine is kept as it is, and slices are taken
    along the stored axis nearest to the body's.

    Raises:
        ImageError: Not NIfTI or damaged; of four dimensions or in colour; labels and no
            intensities; empty, constant, infinite or NaN; or with an affine that is none.
    """
    image = _opened(path)
    stored = _voxels(path, image)
    while stored.ndim > 3 and stored.shape[-1] == 1:
        stored = stored[..., 0]
    if stored.ndim != 3:
        raise ImageError(
            f"{path}: has {stored.ndim} dimensions ({' x '.join(map(str, stored.shape))}); give "
            "one three-dimensional volume a file, so split a series over time first."
        )
    _refuse_labels(path, image, stored)
    affine = np.asarray(image.affine, np.float64)
    return checked_volume(path, stored, affine=affine, header=image.header)


def read_mask_like(volume: Volume, path: Path) -> Bool[np.ndarray, "x y z"]:
    """The voxels of a volume that a file beside it marks, by a value above one half.

    Raises:
        ImageError: Not NIfTI or damaged, or on another grid than the volume's.
    """
    image = _opened(path)
    stored = _voxels(path, image)
    wanted = volume.to_stored(volume.values).shape
    if stored.shape != wanted or not np.allclose(image.affine, volume.affine, atol=1e-3):
        raise ImageError(
            f"{path}: marks voxels of another grid ({' x '.join(map(str, stored.shape))}) than "
            f"{volume.path} has ({' x '.join(map(str, wanted))}, or with another affine); "
            "resample it to the volume's."
        )
    return volume.from_stored(stored) > 0.5


def write_like(volume: Volume, values: Num[np.ndarray, "x y z"], *, path: Path) -> None:
    """Write a map of a volume as NIfTI, on the volume's own grid and affine.

    Args:
        volume: What the map is of.
        values: In the body's axes, as `volume.values`; stored as float32.
        path: Ends in `.nii` or `.nii.gz`.

    Raises:
        ImageError: The file cannot be written.
    """
    import nibabel

    assert values.shape == volume.values.shape, "a map has its volume's shape"
    stored = np.ascontiguousarray(volume.to_stored(values), np.float32)
    image = nibabel.Nifti1Image(stored, volume.affine, header=volume.header)
    image.set_data_dtype(np.float32)
    image.header.set_slope_inter(1, 0)
    image.header["cal_min"] = image.header["cal_max"] = 0  # the display range was the scan's
    content = image.to_bytes()
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise ImageError(
            f"{path}: cannot be written ({error.strerror or error}); choose another folder."
        ) from error


def _opened(path: Path) -> Any:  # noqa: ANN401
    """The file's header; its voxels are read later."""
    try:
        import nibabel
        from nibabel.filebasedimages import ImageFileError
    except ImportError as error:
        raise ImageError(
            f"{path}: reading NIfTI needs nibabel: pip install normalis[medical]."
        ) from error
    try:
        image = nibabel.load(path)
    except (OSError, EOFError, ValueError, ImageFileError) as error:
        raise ImageError(f"{path}: cannot be read as NIfTI: {_line(error)}.") from error
    if not isinstance(image, nibabel.Nifti1Image):
        raise ImageError(f"{path}: is {type(image).__name__}, not NIfTI; convert it to .nii.gz.")
    return image


def _voxels(path: Path, image: Any) -> np.ndarray:  # noqa: ANN401
    """The scaled voxels."""
    dtype = image.get_data_dtype()
    if dtype.fields is not None or dtype.kind == "c":
        raise ImageError(
            f"{path}: holds colours or complex numbers ({dtype}); one number a voxel is needed."
        )
    try:
        return np.asarray(image.dataobj)
    except (OSError, EOFError, ValueError) as error:
        raise ImageError(
            f"{path}: is truncated or damaged ({_line(error)}); copy it again."
        ) from error


def _refuse_labels(path: Path, image: Any, stored: np.ndarray) -> None:  # noqa: ANN401
    """A segmentation beside the scans is an easy mistake."""
    labelled = int(image.header["intent_code"]) == LABEL_INTENT
    whole = stored.size > 0 and image.get_data_dtype().kind in "iu"
    distinct = len(np.unique(stored)) if whole else FEW + 1
    if labelled or 1 < distinct <= FEW:
        raise ImageError(
            f"{path}: is a map of labels ({'by its intent' if labelled else f'{distinct} values'}),"
            " not a scan; leave it out of the folder."
        )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
