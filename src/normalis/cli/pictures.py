"""The pictures that a command's arguments mean."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from normalis.datasets.tree import Tree
from normalis.errors import DatasetError

__all__ = ["PictureList", "list_pictures"]


@dataclass(frozen=True)
class PictureList:
    """Pictures to be scored.

    Attributes:
        paths: Each file once, in the order of the arguments, a folder's sorted by name.
        root: A folder above them all.
        warnings: What was left out, one sentence each.
    """

    paths: tuple[Path, ...]
    root: Path
    warnings: tuple[str, ...]


def list_pictures(given: Sequence[Path], *, leave_out: Sequence[Path]) -> PictureList:
    """Folders are searched with all below them; a file is taken whatever its name ends in.

    Args:
        given: Files and folders.
        leave_out: Folders whose pictures are no input: the heat maps of a run before.

    Raises:
        DatasetError: A path that is not there, a folder that cannot be read, or no picture at all.
    """
    found: dict[str, Path] = {}
    roots: list[str] = []
    warnings: list[str] = []
    for path in given:
        roots.append(_absolute(path if path.is_dir() else path.parent))
        if path.is_dir():
            tree = Tree(path)
            pictures = tree.all_pictures()
            warnings += tree.warnings
        else:
            pictures = (_existing(path),)
        for picture in pictures:
            found.setdefault(_absolute(picture), picture)
    closed = [_absolute(folder) for folder in leave_out]
    outside = [path for key, path in found.items() if not _lies_in(key, closed)]
    if not outside:
        raise DatasetError(f"{', '.join(map(str, given))}: no pictures were found here.")
    return PictureList(tuple(outside), Path(os.path.commonpath(roots)), tuple(warnings))


def _absolute(path: Path) -> str:
    """The full path without `..`; links are not followed, so that names stay the user's."""
    return os.path.abspath(path)  # noqa: PTH100


def _lies_in(path: str, folders: Sequence[str]) -> bool:
    return any(Path(path).is_relative_to(folder) for folder in folders)


def _existing(path: Path) -> Path:
    if not path.exists():
        raise DatasetError(f"{path}: there is no such file or folder.")
    return path
