"""Reads a saved model, and trusts nothing in it before its seal is checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from normalis.backbones.build import restore_pyramid
from normalis.bundle.manifest import BUNDLE, MANIFEST, Manifest, read_manifest
from normalis.bundle.save import BACKBONE, DATA, DETECTOR
from normalis.bundle.sealed import check_digests
from normalis.calibration import Calibration
from normalis.detectors.build import build_detector
from normalis.detectors.contract import AbstractDetector, PictureShapes
from normalis.errors import BundleError, SettingsError, WeightsError
from normalis.recipes import Recipe, recipe_of
from normalis.results import MapRange
from normalis.scoring import Scorer

__all__ = ["bundle_recipe", "checked_manifest", "load_bundle", "picture_uses"]


def load_bundle(
    folder: Path, *, device: torch.device, compiled: bool = True, checked: Manifest | None = None
) -> Scorer:
    """A fitted model from its folder.

    Args:
        folder: As `normalis fit` wrote it.
        device: Where the model computes.
        compiled: The detector's fastest form; otherwise the one that was trained, with the same
            scores but for rounding.
        checked: Its manifest, where the files have just been compared with it; this is not done
            again.

    Raises:
        BundleError: Not a bundle, of a newer format, or altered: a file is missing or has another
            sha256 than the manifest says.
    """
    manifest = checked or checked_manifest(folder)
    recipe = bundle_recipe(folder, manifest)
    shapes = PictureShapes(manifest.size, manifest.maps)
    try:
        pyramid = restore_pyramid(recipe.backbone, _tensors(folder / BACKBONE)).to(device)
        detector = build_detector(
            recipe.method, shapes, concepts=manifest.concepts, seed=recipe.training.seed
        )
        detector.load_state_dict(_tensors(folder / DETECTOR))
    except (SettingsError, WeightsError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise BundleError(f"{folder}: the weights do not fit the recipe: {reason}") from error
    return Scorer(
        pyramid,
        recipe.preparation,
        detector=_ready(detector, device).compile() if compiled else _ready(detector, device),
        calibration=Calibration.from_json(manifest.calibration),
        map_range=MapRange(*manifest.map_range),
        concept_names=manifest.concept_names,
    )


def bundle_recipe(folder: Path, manifest: Manifest) -> Recipe:
    """The recipe that the model was fitted with.

    Raises:
        BundleError: A setting that this version does not know, or one that the model does not
            state: today's default need not be what it was fitted with.
    """
    try:
        recipe = recipe_of(manifest.recipe)
    except SettingsError as error:
        raise BundleError(f"{folder / MANIFEST}: {error}") from error
    unstated = sorted(_names(recipe.to_tree()) - _names(manifest.recipe))
    if unstated:
        raise BundleError(
            f"{folder / MANIFEST}: does not state the setting {unstated[0]}, which is newer than "
            "the model; fit it anew with this normalis."
        )
    return recipe


def checked_manifest(folder: Path) -> Manifest:
    """What a model states, once every file was compared with the digest that it gives.

    Raises:
        BundleError: Not a bundle, of a newer format, or a file is missing, was changed, or lies
            elsewhere.
    """
    manifest = read_manifest(folder)
    check_digests(folder, manifest.files, kind=BUNDLE)
    for name in (BACKBONE, DETECTOR, DATA):
        if name not in manifest.files:
            raise BundleError(
                f"{folder / MANIFEST}: does not name {name}; the model is incomplete."
            )
    return manifest


def picture_uses(folder: Path) -> dict[str, str]:
    """What each picture served for when the model was made: the model has seen these.

    Args:
        folder: A model whose files were checked.

    Returns:
        By the sha256 of the picture's file: "train", "validation" or "calibration"; these last in
        the order of the calibration's scores.

    Raises:
        BundleError: The list cannot be read.
    """
    path = folder / DATA
    try:
        groups = TypeAdapter(dict[str, list[str]]).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise BundleError(f"{path}: the list of pictures cannot be read: {reason}.") from error
    return {digest: use for use, digests in groups.items() for digest in digests}


def _names(tree: Mapping[str, Any], prefix: str = "") -> set[str]:
    """The full names of the settings in a nested tree."""
    names: set[str] = set()
    for name, value in tree.items():
        inner = _names(value, f"{prefix}{name}.") if isinstance(value, Mapping) else set[str]()
        names |= inner or {prefix + name}
    return names


def _tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file."""
    try:
        return load_file(path)
    except SafetensorError as error:
        raise BundleError(f"{path}: is not a safetensors file: {error}.") from error


def _ready(detector: AbstractDetector, device: torch.device) -> AbstractDetector:
    """In evaluation mode, without gradients, on the device."""
    return detector.to(device).eval().requires_grad_(requires_grad=False)
