"""What a saved model says of itself, and the seal that nothing in it was changed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from normalis.errors import BundleError

__all__ = ["MANIFEST", "SCHEMA", "Manifest", "PictureCounts", "file_digest", "read_manifest"]

MANIFEST = "manifest.json"
SCHEMA = 1
KIND = "normalis-bundle"


@dataclass(frozen=True)
class PictureCounts:
    """How many normal pictures served for what.

    Attributes:
        train: The detector learned from these.
        validation: Early stopping and the scale of the scores.
        calibration: The held-out scores that p-values compare with.
        skipped: Could not be read.
    """

    train: int
    validation: int
    calibration: int
    skipped: int


@dataclass(frozen=True)
class Manifest:
    """The manifest of a bundle.

    Attributes:
        version: Of normalis, when it was saved.
        recipe: The recipe as nested plain values.
        size: Rows and columns of the prepared picture.
        maps: `(c, h, w)` of every map of the feature pyramid.
        concepts: Codes of the concept codebook.
        concept_pictures: Training pictures of each concept.
        concept_names: What each concept is called where the pictures' categories were learned; ()
            where concepts were found.
        pictures: How many pictures served for what.
        data: sha256 over the digests of all pictures that served.
        calibration: As `Calibration.to_json` gives it.
        map_range: Usual and high value of the maps.
        files: sha256 of every other file of the bundle.
    """

    version: str
    recipe: dict[str, Any]
    size: tuple[int, int]
    maps: tuple[tuple[int, int, int], ...]
    concepts: int
    concept_pictures: tuple[int, ...]
    pictures: PictureCounts
    data: str
    calibration: dict[str, Any]
    map_range: tuple[float, float]
    files: dict[str, str]
    concept_names: tuple[str, ...] = ()

    def to_text(self) -> str:
        """JSON with the schema's number, and a seal over all the rest."""
        tree = {"kind": KIND, "schema": SCHEMA, **asdict(self)}
        tree["seal"] = _seal(tree)
        return json.dumps(tree, indent=1, sort_keys=True) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """Read and check a bundle's manifest.

    Raises:
        BundleError: Not a bundle, a newer schema, or a manifest that was changed.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(
            f"{folder}: not a normalis model (there is no {MANIFEST} in it); give the folder that "
            "'normalis fit --out' wrote."
        )
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: cannot be read: {error}. {_RESTORE}") from error
    if not isinstance(tree, dict) or tree.get("kind") != KIND:
        raise BundleError(f"{path}: not the manifest of a normalis model.")
    if tree.get("schema") != SCHEMA:
        raise BundleError(
            f"{path}: this model has format {tree.get('schema')}, and this normalis reads format "
            f"{SCHEMA}: install a newer normalis, or fit the model anew."
        )
    if tree.pop("seal", None) != _seal(tree):
        raise BundleError(f"{path}: was changed after it was written. {_RESTORE}")
    return _parsed(tree, path)


_RESTORE = "Restore the model from a copy, or fit it anew."


def file_digest(path: Path) -> str:
    """sha256 of a file, hex.

    Raises:
        BundleError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror or error}).") from error


def _parsed(tree: dict[str, Any], path: Path) -> Manifest:
    """The manifest as an object."""
    fields = {name: value for name, value in tree.items() if name not in ("kind", "schema")}
    try:
        return TypeAdapter(Manifest).validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path}: {where}: {first['msg']}. {_RESTORE}") from error


def _seal(tree: Mapping[str, Any]) -> str:
    """sha256 over the manifest without its seal."""
    text = json.dumps({k: v for k, v in tree.items() if k != "seal"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
