"""The pictures that a command's arguments mean."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from normalis.datasets.manifest import MANIFEST_SUFFIXES, read_manifest
from normalis.datasets.tree import Tree
from normalis.errors import DatasetError

__all__ = ["PictureList", "lies_among", "list_pictures"]

_MASKS = "ground_truth"


@dataclass(frozen=True)
class PictureList:
    """Pictures to be scored.

    Attributes:
        paths: Each file once, in the order of the arguments, a folder's sorted by name and a
            manifest's in the order of its rows.
        root: A folder above them all.
        warnings: What was left out, one sentence each.
        positions: Where in its volume each slice lies, of those of which a manifest says it.
    """

    paths: tuple[Path, ...]
    root: Path
    warnings: tuple[str, ...]
    positions: Mapping[Path, float]


def list_pictures(given: Sequence[Path], *, leave_out: Sequence[Path]) -> PictureList:
    """Folders are searched with all below them but masks, manifests (.csv, .parquet) name pictures.

    Any other file is taken for a picture, whatever its name ends in.

    Args:
        given: Files and folders.
        leave_out: Folders whose pictures are no input: the heat maps of a run before.

    Raises:
        DatasetError: A path that is not there, a folder that cannot be read, a manifest that is
            none, or no picture at all.
    """
    found: dict[str, Path] = {}
    roots: list[str] = []
    warnings: list[str] = []
    positions: dict[Path, float] = {}
    for path in given:
        roots.append(_absolute(path if path.is_dir() else path.parent))
        pictures, said = _pictures(path, positions)
        warnings += said
        for picture in pictures:
            found.setdefault(_absolute(picture), picture)
    closed = [_absolute(folder) for folder in leave_out]
    outside = [path for key, path in found.items() if not _lies_in(key, closed)]
    if not outside:
        names = ", ".join(map(str, given))
        raise DatasetError(" ".join((f"{names}: no pictures were found here.", *warnings)))
    return PictureList(tuple(outside), Path(os.path.commonpath(roots)), tuple(warnings), positions)


def lies_among(folder: Path, given: Sequence[Path]) -> bool:
    """Whether a folder lies in one of those that are searched for pictures."""
    return _lies_in(_absolute(folder), [_absolute(path) for path in given if path.is_dir()])


def _pictures(path: Path, positions: dict[Path, float]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """What one argument means, and what was left out; places of slices are added."""
    if path.is_dir():
        tree = Tree(path)
        pictures = tree.all_pictures()
        masks = {one for one in pictures if _MASKS in one.relative_to(path).parts}
        tree.leave_out(f"Masks in folders called {_MASKS}", map(tree.name, sorted(masks)))
        return tuple(one for one in pictures if one not in masks), tree.warnings
    if not path.exists():
        raise DatasetError(f"{path}: there is no such file or folder.")
    if path.suffix.lower() not in MANIFEST_SUFFIXES:
        return (path,), ()
    samples, warnings = read_manifest(path)
    positions |= {one.path: one.position for one in samples if one.position is not None}
    return tuple(sample.path for sample in samples), warnings


def _absolute(path: Path) -> str:
    """The full path without `..`; links are not followed, so that names stay the user's."""
    return os.path.abspath(path)  # noqa: PTH100


def _lies_in(path: str, folders: Sequence[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)
