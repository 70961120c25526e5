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


def list_pictures(given: Sequence[Path], *, leave_out: Path) -> PictureList:
    """Folders are searched with all below them; a file is taken whatever its name ends in.

    Args:
        given: Files and folders.
        leave_out: A folder whose pictures are no input: that of the answers, in a run before.

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
        found |= {_absolute(picture): picture for picture in pictures}
    outside = [p for key, p in found.items() if not Path(key).is_relative_to(_absolute(leave_out))]
    if not outside:
        raise DatasetError(f"{', '.join(map(str, given))}: no pictures were found here.")
    return PictureList(tuple(outside), Path(os.path.commonpath(roots)), tuple(warnings))


def _absolute(path: Path) -> str:
    """The full path without `..`; links are not followed, so that names stay the user's."""
    return os.path.abspath(path)  # noqa: PTH100


def _existing(path: Path) -> Path:
    if not path.exists():
        raise DatasetError(f"{path}: there is no such file or folder.")
    return path
