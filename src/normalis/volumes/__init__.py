"""Medical volumes: NIfTI files and DICOM series in, maps on the original grid out."""

from normalis.volumes.dicom import read_series
from normalis.volumes.mood import Mood, MoodCase, open_mood
from normalis.volumes.nifti import read_mask_like, read_nifti, write_like
from normalis.volumes.open import list_volumes, read_volume
from normalis.volumes.planting import Form, Kind, PlantedVolume, plant_volume
from normalis.volumes.tissue import (
    Tissue,
    normalised,
    picture_plane,
    slice_picture,
    slice_plane,
)
from normalis.volumes.volume import Volume, slice_positions

__all__ = [
    "Form",
    "Kind",
    "Mood",
    "MoodCase",
    "PlantedVolume",
    "Tissue",
    "Volume",
    "list_volumes",
    "normalised",
    "open_mood",
    "picture_plane",
    "plant_volume",
    "read_mask_like",
    "read_nifti",
    "read_series",
    "read_volume",
    "slice_picture",
    "slice_plane",
    "slice_positions",
    "write_like",
]
