"""Writes a fitted model as a folder of JSON and safetensors."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from normalis.bundle.manifest import MANIFEST, Manifest
from normalis.bundle.sealed import file_digest
from normalis.errors import BundleError

__all__ = ["BACKBONE", "DATA", "DETECTOR", "write_bundle"]

BACKBONE = "backbone.safetensors"
DETECTOR = "detector.safetensors"
DATA = "data.json"


def write_bundle(
    folder: Path,
    manifest: Manifest,
    *,
    detector: Mapping[str, Tensor],
    backbone: Mapping[str, Tensor],
    digests: Mapping[str, list[str]],
) -> Manifest:
    """Write every file of a bundle into a folder, the manifest last.

    Args:
        folder: Made if it is missing. The caller gives a temporary one and renames it.
        manifest: Without `files`, which are filled in.
        detector: State of the fitted detector.
        backbone: State of the feature pyramid.
        digests: sha256 of the pictures that served, by what they served for; those that calibrate
            in the order of the calibration's scores.

    Raises:
        BundleError: The folder cannot be written, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(_contiguous(detector), folder / DETECTOR)
        save_file(_contiguous(backbone), folder / BACKBONE)
        (folder / DATA).write_text(json.dumps(digests, indent=0) + "\n", encoding="utf-8")
        for name in (DETECTOR, BACKBONE):  # safetensors' own are for nobody but their owner
            shutil.copymode(folder / DATA, folder / name)
        others = sorted(path.name for path in folder.iterdir() if path.name != MANIFEST)
        sealed = replace(manifest, files={name: file_digest(folder / name) for name in others})
        (folder / MANIFEST).write_text(sealed.to_text(), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise BundleError(f"{folder}: the model cannot be written: {error}.") from error
    return sealed


def _contiguous(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as safetensors wants them: on the CPU, contiguous, sharing no memory."""
    return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
