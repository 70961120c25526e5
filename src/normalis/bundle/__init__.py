"""Saved models: a folder of JSON and safetensors, self-contained and sealed."""

from typing import TYPE_CHECKING

from normalis.lazy import lazy_names

if TYPE_CHECKING:
    from normalis.bundle.load import bundle_recipe, checked_manifest, load_bundle, picture_uses
    from normalis.bundle.manifest import (
        MANIFEST,
        SCHEMA,
        Manifest,
        PictureCounts,
        read_manifest,
    )
    from normalis.bundle.save import BACKBONE, DATA, DETECTOR, write_bundle
    from normalis.bundle.sealed import file_digest

__all__ = [
    "BACKBONE",
    "DATA",
    "DETECTOR",
    "MANIFEST",
    "SCHEMA",
    "Manifest",
    "PictureCounts",
    "bundle_recipe",
    "checked_manifest",
    "file_digest",
    "load_bundle",
    "picture_uses",
    "read_manifest",
    "write_bundle",
]

__getattr__ = lazy_names(__name__, "sealed", "manifest", "save", "load")
