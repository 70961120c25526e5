"""JSON that says what it is and carries a seal, so that a change of it is noticed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from normalis.errors import BundleError

__all__ = [
    "Kind",
    "check_digests",
    "file_digest",
    "folder_bytes",
    "parsed",
    "read_sealed",
    "sealed_text",
]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Kind:
    """One kind of sealed file.

    Attributes:
        name: Its own name for itself.
        schema: The number of its format.
        file: What the file is called.
        noun: What a folder that holds it is, to a user.
        command: What writes such a folder.
        remedy: What to do about a damaged one.
    """

    name: str
    schema: int
    file: str
    noun: str
    command: str
    remedy: str


def sealed_text(kind: Kind, fields: Mapping[str, Any]) -> str:
    """JSON with the kind's name, the schema's number, and a seal over all the rest."""
    tree = {"kind": kind.name, "schema": kind.schema, **fields}
    tree["seal"] = _seal(tree)
    return json.dumps(tree, indent=1, sort_keys=True) + "\n"


def read_sealed(folder: Path, kind: Kind) -> dict[str, Any]:
    """The fields of a sealed file, without kind, schema and seal.

    Raises:
        BundleError: Not of this kind, of a newer schema, or changed.
    """
    path = folder / kind.file
    if not path.is_file():
        raise BundleError(
            f"{folder}: not a normalis {kind.noun} (there is no {kind.file} in it); give the "
            f"folder that {kind.command} wrote."
        )
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{path}: cannot be read: {error}. {kind.remedy}") from error
    if not isinstance(tree, dict) or tree.get("kind") != kind.name:
        raise BundleError(f"{path}: not the manifest of a normalis {kind.noun}.")
    if tree.get("schema") != kind.schema:
        raise BundleError(
            f"{path}: this {kind.noun} has format {tree.get('schema')}, and this normalis reads "
            f"format {kind.schema}: install a newer normalis. {kind.remedy}"
        )
    if tree.pop("seal", None) != _seal(tree):
        raise BundleError(f"{path}: was changed after it was written. {kind.remedy}")
    return {name: value for name, value in tree.items() if name not in ("kind", "schema")}


def parsed(fields: Mapping[str, Any], of: type[_T], *, path: Path, kind: Kind) -> _T:
    """The fields as an object.

    Raises:
        BundleError: A field is missing, unknown, or of another type.
    """
    try:
        return TypeAdapter(of).validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path}: {where}: {first['msg']}. {kind.remedy}") from error


def check_digests(folder: Path, files: Mapping[str, str], *, kind: Kind) -> None:
    """Compare every file with the digest that the sealed file gives.

    Raises:
        BundleError: A file is missing, was changed, or lies elsewhere.
    """
    for name, digest in files.items():
        if Path(name).name != name:
            raise BundleError(
                f"{folder / kind.file}: names the file '{name}', which lies outside the "
                f"{kind.noun}."
            )
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{path}: is missing. {kind.remedy}")
        if file_digest(path) != digest:
            raise BundleError(
                f"{path}: was changed or damaged after it was written (its sha256 differs from "
                f"that in {kind.file}). {kind.remedy}"
            )


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


def folder_bytes(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _seal(tree: Mapping[str, Any]) -> str:
    """sha256 over the fields without the seal."""
    text = json.dumps({k: v for k, v in tree.items() if k != "seal"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
