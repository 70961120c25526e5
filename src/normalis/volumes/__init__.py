"""Medical volumes: NIfTI files and DICOM series in, maps on the original grid out."""

from normalis.volumes.dicom import read_series
from normalis.volumes.nifti import read_nifti, write_like
from normalis.volumes.planting import PlantedVolume, plant_volume
from normalis.volumes.volume import Volume, normalised, slice_positions

__all__ = [
    "PlantedVolume",
    "Volume",
    "normalised",
    "plant_volume",
    "read_nifti",
    "read_series",
    "slice_positions",
    "write_like",
]
