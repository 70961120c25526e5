"""Small scans: a bright ball in the left front upper part, stored in any orientation."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

__all__ = ["SHAPE", "affine_of", "ball", "opened", "write_nifti", "write_series"]

SHAPE = (10, 12, 8)


def ball() -> np.ndarray:
    """`x y z`, RAS: bright on the left (low x), in front (high y), above (high z)."""
    x, y, z = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    noise = np.random.default_rng(0).normal(0, 3, SHAPE)
    return 100.0 + noise + 200.0 * ((x - 2) ** 2 + (y - 9) ** 2 + (z - 6) ** 2 < 5)


def write_nifti(
    path: Path, values: np.ndarray | None = None, *, affine: np.ndarray | None = None, **header: Any
) -> Path:
    """A file of voxels as they are given, RAS and 1 x 2 x 3 mm unless told otherwise."""
    voxels = ball().astype(np.float32) if values is None else values
    image = nibabel.Nifti1Image(voxels, np.diag([1.0, 2.0, 3.0, 1.0]) if affine is None else affine)
    for name, value in header.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


def opened(path: Path) -> nibabel.Nifti1Image:
    """As another program opens it."""
    image = nibabel.load(path)
    assert isinstance(image, nibabel.Nifti1Image)
    return image


def affine_of(path: Path) -> np.ndarray:
    """Where its voxels lie, as another program understands it."""
    affine = opened(path).affine
    assert affine is not None
    return affine


def write_series(folder: Path, *, skip: tuple[int, ...] = (), **changes: Any) -> Path:
    """The same ball as axial slices 3 mm apart, named against their order."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = ball()[::-1, ::-1]  # DICOM counts towards left and back
    series = generate_uid()
    for z in range(SHAPE[2]):
        if z in skip:
            continue
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        data = FileDataset(str(folder), {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, generate_uid()
        data.SeriesInstanceUID = series
        data.Rows, data.Columns = SHAPE[1], SHAPE[0]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation = 15, 0
        data.ImagePositionPatient = [-4.5, -11.0, 3.0 * z]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.PixelSpacing = [2.0, 1.0]
        data.RescaleSlope, data.RescaleIntercept = 1, -1000
        data.PixelData = (stored[:, :, z].T + 1000).round().astype("<u2").tobytes()
        for name, value in changes.items():
            chosen = value(z) if callable(value) else value
            if chosen is None:
                delattr(data, name)
            else:
                setattr(data, name, chosen)
        data.save_as(folder / f"slice-{99 - z}.dcm", enforce_file_format=True)
    return folder
