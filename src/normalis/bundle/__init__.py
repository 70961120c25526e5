"""Saved models: a folder of JSON and safetensors, self-contained and sealed."""

from normalis.bundle.load import bundle_recipe, check_files, load_bundle, picture_uses
from normalis.bundle.manifest import (
    MANIFEST,
    SCHEMA,
    Manifest,
    PictureCounts,
    file_digest,
    read_manifest,
)
from normalis.bundle.save import BACKBONE, DATA, DETECTOR, write_bundle

__all__ = [
    "BACKBONE",
    "DATA",
    "DETECTOR",
    "MANIFEST",
    "SCHEMA",
    "Manifest",
    "PictureCounts",
    "bundle_recipe",
    "check_files",
    "file_digest",
    "load_bundle",
    "picture_uses",
    "read_manifest",
    "write_bundle",
]
