"""Results as folders: `result.json`, and `pictures/` where thumbnails were drawn."""

import json
import math
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from normalis.errors import ResultError
from normalis.evaluation.result import SCHEMA, Result
from normalis.images.write import write_text

__all__ = [
    "PICTURES",
    "RESULT",
    "holds_result",
    "move_result",
    "read_result",
    "require_place",
    "write_result",
]

RESULT = "result.json"
PICTURES = "pictures"

_KIND = "normalis-result"
_HEAD = 200  # bytes in which a result says what it is
_AGAIN = "Make it again with 'normalis evaluate MODEL DATA --out RESULT'."


def write_result(result: Result, folder: Path) -> Path:
    """Write `result.json`, whole or not at all; the folder is made.

    Args:
        result: All its numbers are finite; its thumbnails lie in the folder already.
        folder: Where it goes; an earlier `result.json` is replaced.

    Returns:
        The file.

    Raises:
        ResultError: A number is not finite.
        OSError: The file cannot be written.
    """
    path = folder / RESULT
    tree = {"kind": _KIND, "schema": SCHEMA, **asdict(result)}
    try:
        text = json.dumps(tree, indent=1, allow_nan=False)
    except ValueError as error:
        raise ResultError(f"{path}: a result with infinite or missing numbers is none.") from error
    write_text(path, text + "\n")
    return path


def read_result(folder: Path) -> Result:
    """Read a result; every number is exactly as it was written.

    Raises:
        ResultError: No result, one of another format, a damaged one, or one whose thumbnails are
            missing or lie outside of the folder.
    """
    path = folder / RESULT
    if not path.is_file():
        raise ResultError(
            f"{folder}: not a normalis result (there is no {RESULT} in it); give the folder that "
            "'normalis evaluate --out' wrote."
        )
    result = _parsed(_tree(path), path)
    _require_thumbnails(result, folder)
    return result


def holds_result(folder: Path) -> bool:
    """Whether the folder's `result.json` is one of normalis: of any format, damaged or not."""
    try:
        with (folder / RESULT).open("rb") as file:
            return _KIND.encode() in file.read(_HEAD)
    except OSError:
        return False


def require_place(out: Path) -> None:
    """Refuse before any work a folder that `move_result` would not replace.

    Raises:
        ResultError: Something else than a result lies there.
    """
    if not out.exists() and not out.is_symlink():
        return
    names = {path.name for path in out.iterdir()} if out.is_dir() else {out.name}
    if names and not (holds_result(out) and names <= {RESULT, PICTURES}):
        raise ResultError(
            f"{out}: is already there, and is not just a normalis result, which alone would be "
            "replaced; choose another folder."
        )


def move_result(folder: Path, out: Path) -> None:
    """Put a finished result in its place, and remove the one that was there.

    Args:
        folder: With the finished result, on the same disk as `out`.
        out: Its place; folders above it are made.

    Raises:
        ResultError: Something else than a result lies there.
        OSError: It cannot be moved.
    """
    require_place(out)
    place = out.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    old = folder.with_name(f"{folder.name}.replaced")
    if place.exists():
        place.replace(old)
    folder.replace(place)
    shutil.rmtree(old, ignore_errors=True)


def _tree(path: Path) -> dict[str, Any]:
    """The fields of the file, once its kind and format are known to be right."""
    try:
        text = path.read_text(encoding="utf-8")
        tree: Any = json.loads(text, parse_float=_finite, parse_constant=_finite, parse_int=_whole)
    except (OSError, ValueError, RecursionError) as error:
        raise ResultError(f"{path}: cannot be read: {error}. {_AGAIN}") from error
    if not isinstance(tree, dict) or tree.pop("kind", None) != _KIND:
        raise ResultError(f"{path}: not the result of a normalis evaluation.")
    schema = tree.pop("schema", None)
    if schema != SCHEMA:
        newer = isinstance(schema, int) and schema > SCHEMA
        todo = "Install a newer normalis to read it." if newer else _AGAIN
        raise ResultError(
            f"{path}: this result has format {schema}, and this normalis reads format {SCHEMA}. "
            f"{todo}"
        )
    return tree


def _finite(text: str) -> float:
    """A number of the file; JSON knows no infinite ones, but Python's reader does."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.20} is not a finite number")
    return value


def _whole(text: str) -> int:
    """A whole number that a float can hold, as some fields are floats."""
    _finite(text)
    return int(text)


def _parsed(tree: dict[str, Any], path: Path) -> Result:
    """The result as an object."""
    try:
        # As JSON, because only there a strict reader takes lists for tuples.
        return TypeAdapter(Result).validate_json(json.dumps(tree), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ").rstrip(".")
        raise ResultError(f"{path}: {where + ': ' if where else ''}{what}. {_AGAIN}") from error


def _require_thumbnails(result: Result, folder: Path) -> None:
    """A result that came by mail must not make a report show or copy other files."""
    inside = folder.resolve()
    for judged in result.pictures:
        for name in (judged.picture, judged.heat, judged.restored):
            if name is None:
                continue
            if not _lies_in(inside, name):
                raise ResultError(
                    f"{folder / RESULT}: names the file {name!r}, which is missing or lies outside "
                    f"the result. {_AGAIN}"
                )


def _lies_in(folder: Path, name: str) -> bool:
    """Whether this is a file of the folder's pictures, links followed."""
    try:
        place = (folder / name).resolve()
        return place.is_relative_to(folder / PICTURES) and place.is_file()
    except (OSError, RuntimeError, ValueError):  # too long a name, links in a circle, a null byte
        return False
