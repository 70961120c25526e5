"""Opens saved models."""

from dataclasses import dataclass
from pathlib import Path

from normalis.api.device import device_named
from normalis.bundle.load import bundle_recipe, checked_manifest, load_bundle
from normalis.bundle.manifest import SCHEMA, Manifest
from normalis.bundle.sealed import folder_bytes
from normalis.calibration import Calibration
from normalis.recipes import Recipe
from normalis.scoring import Scorer

__all__ = ["BundleInfo", "describe", "load"]


@dataclass(frozen=True)
class BundleInfo:
    """What a saved model says of itself.

    Attributes:
        path: Its folder.
        schema: Number of its format.
        manifest: Everything else that it states.
        recipe: The settings it was fitted with.
        promise: What its calibration can and cannot promise, a sentence.
        size: Bytes of all its files.
    """

    path: Path
    schema: int
    manifest: Manifest
    recipe: Recipe
    promise: str
    size: int


def load(path: Path | str, *, device: str = "auto") -> Scorer:
    """Open a saved model, ready to score pictures.

    Args:
        path: The folder that `fit` wrote.
        device: "cpu", "cuda", or "auto".

    Raises:
        BundleError: Not a model, of a newer format, or altered.
    """
    return load_bundle(Path(path), device=device_named(device))


def describe(path: Path | str) -> BundleInfo:
    """What a saved model says of itself; its files are checked, but its weights not loaded.

    Raises:
        BundleError: Not a model, of a newer format, or altered.
    """
    folder = Path(path)
    manifest = checked_manifest(folder)
    return BundleInfo(
        path=folder,
        schema=SCHEMA,
        manifest=manifest,
        recipe=bundle_recipe(folder, manifest),
        promise=Calibration.from_json(manifest.calibration).promise(),
        size=folder_bytes(folder),
    )
