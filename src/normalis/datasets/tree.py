"""Listing a folder that a stranger has filled: in a fixed order, and never outside its root."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from normalis.errors import DatasetError
from normalis.images.decode import UNREAD_SUFFIXES, is_picture

__all__ = ["Tree", "is_file", "shorten"]

_VOLUMES = (".dcm", ".nii", ".nii.gz")


def is_file(path: Path) -> bool:
    """Whether there is such a file; not where the name is too long or a folder is closed."""
    try:
        return path.is_file()
    except OSError:
        return False


def shorten(names: Iterable[str], *, show: int = 3) -> str:
    """The first few of many names, for a message: "a, b, c and 40 more"."""
    names = list(names)
    rest = len(names) - show
    return ", ".join(names[:show]) + (f" and {rest} more" if rest > 0 else "")


@dataclass(frozen=True)
class _Listing:
    folders: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()


@final
class Tree:
    """A folder's pictures and sub-folders, sorted by name.

    Hidden entries are passed over. Sub-folders that cannot be read, links that leave the root or
    lead nowhere, names that are not text, pictures in formats that are not read, and volumes are
    left out and counted in `warnings`.

    Args:
        root: The folder below which everything lies.

    Raises:
        DatasetError: The root does not exist, is no folder or cannot be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real_root = Path(os.path.realpath(root))  # of links in a circle it says nothing
        self._listed: dict[Path, _Listing] = {}
        self._left_out: dict[str, list[str]] = {}
        self._warnings: list[str] = []
        try:
            self._listed[root] = self._list(root)
        except OSError as error:
            raise DatasetError(
                f"{root}: the folder cannot be read ({error.strerror or error})."
            ) from error

    def name(self, path: Path) -> str:
        """The path below the root, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    def category(self, folder: Path) -> str:
        """The folder's own name, also where the root is given as "." or "..".."""
        return self._real_root.name if folder == self.root else folder.name

    def folders(self, folder: Path) -> tuple[Path, ...]:
        """The sub-folders of a folder; none where it does not exist."""
        return self._entries(folder).folders

    def pictures(self, folder: Path) -> tuple[Path, ...]:
        """The pictures directly in a folder, by the ending of their names."""
        return tuple(p for p in self._entries(folder).files if is_picture(p))

    def masks(self, folder: Path) -> dict[str, Path]:
        """The pictures of a folder by the stem they belong to ("000" for "000_mask.png")."""
        return {p.stem.removesuffix("_mask"): p for p in self.pictures(folder)}

    def has_file(self, path: Path) -> bool:
        """Whether there is such a file."""
        return path in self._entries(path.parent).files

    def all_pictures(self) -> tuple[Path, ...]:
        """The pictures in the root and below, each real folder visited once."""
        found: list[Path] = []
        visited: set[Path] = set()
        waiting = [self.root]
        while waiting:
            folder = waiting.pop()
            if (real := folder.resolve()) in visited:
                continue
            visited.add(real)
            found.extend(self.pictures(folder))
            waiting.extend(reversed(self.folders(folder)))
        return tuple(found)

    def leave_out(self, what: str, names: Iterable[str]) -> None:
        """Count something that is not used, under a heading such as "Folders of no category"."""
        self._left_out.setdefault(what, []).extend(names)

    def warn(self, warning: str) -> None:
        """Keep a sentence that the user should read."""
        self._warnings.append(warning)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd, and what was left out so far with one sentence for each reason."""
        left_out = (
            f"{what}: {len(names)} left out ({shorten(names)})."
            for what, names in self._left_out.items()
            if names
        )
        return (*self._warnings, *left_out)

    def _entries(self, folder: Path) -> _Listing:
        if folder not in self._listed:
            # Step by step from the root, so that no link on the way is missed.
            exists = folder in self._entries(folder.parent).folders
            self._listed[folder] = self._list_or_warn(folder) if exists else _Listing()
        return self._listed[folder]

    def _list_or_warn(self, folder: Path) -> _Listing:
        try:
            return self._list(folder)
        except OSError as error:
            reason = error.strerror or str(error)
            self.leave_out(f"Folders that cannot be read ({reason})", [self.name(folder)])
            return _Listing()

    def _list(self, folder: Path) -> _Listing:
        with os.scandir(folder) as entries:
            usable = [e for e in sorted(entries, key=lambda e: e.name) if self._is_usable(e)]
        # The entries know their kind from the listing; asking the paths would stat every file.
        return _Listing(
            folders=tuple(folder / e.name for e in usable if e.is_dir()),
            files=tuple(folder / e.name for e in usable if e.is_file()),
        )

    def _is_usable(self, entry: os.DirEntry[str]) -> bool:
        if entry.name.startswith("."):
            return False
        name = self.name(Path(entry.path)).encode(errors="replace").decode()
        reason = self._why_not(entry, name)
        if reason is not None:
            self.leave_out(reason, [name])
        return reason is None

    def _why_not(self, entry: os.DirEntry[str], name: str) -> str | None:
        """The heading under which an entry is left out, if it is."""
        path = Path(entry.path)
        if name != self.name(path):
            return "Names that are not text (UTF-8)"
        if entry.is_symlink() and not _leads_to_something(path):
            return "Links that lead nowhere"
        if entry.is_symlink() and not path.resolve().is_relative_to(self._real_root):
            return "Links that leave the data set"
        lower = entry.name.lower()
        if lower.endswith(UNREAD_SUFFIXES) and entry.is_file():
            return "Pictures to be converted, as to PNG, before they can be read"
        if lower.endswith(_VOLUMES) and entry.is_file():
            return "Volumes, of which 'normalis volumes slices' makes pictures"
        return None


def _leads_to_something(link: Path) -> bool:
    try:
        return link.exists()
    except OSError:
        return False
