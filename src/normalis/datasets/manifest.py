"""A manifest: a table of pictures, with paths relative to the table's folder.

It may come from anybody, so no path of it may lead out of that folder.
"""

import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import Literal

from normalis.datasets.sample import GOOD, Sample
from normalis.datasets.table import read_table
from normalis.datasets.tree import is_file, shorten
from normalis.errors import DatasetError

__all__ = ["MANIFEST_SUFFIXES", "read_manifest"]

MANIFEST_SUFFIXES = (".csv", ".parquet")
"""The endings of the tables that are read."""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "image"),
    "category": ("category", "object"),
    "split": ("split",),
    "defect": ("defect", "label"),
    "mask": ("mask",),
    "position": ("position",),
    "group": ("group",),
}
_GOOD_WORDS = frozenset({"good", "normal", "ok", "0", "false"})
_DEFECT_WORDS = frozenset({"1", "true"})


def read_manifest(
    manifest: Path, *, root: Path | None = None
) -> tuple[list[Sample], tuple[str, ...]]:
    """Read a table of pictures.

    The column ``path`` (or ``image``) is needed; ``category`` (``object``), ``split``, ``defect``
    or ``label``, ``mask``, of slices ``position``, from -0.5 to 0.5, and ``group``, the part,
    patient or lot of which there are several pictures, may be there; others are passed over. A
    split is "train" or "test"; where there is none, known defects are for testing and the rest for
    training. As a label,
    "good", "normal", "ok", "0" and "false" mean normal, "1" and "true" a defect without a name,
    any other word is the defect's name, and an empty cell means that it is not known.

    Args:
        manifest: A ``.csv`` or ``.parquet`` file.
        root: What paths are relative to; the manifest's folder if not given.

    Returns:
        The samples in the order of the rows, and warnings: pictures and masks that do not exist
        are left out and counted.

    Raises:
        DatasetError: The table cannot be read, lacks the column ``path``, names a picture twice,
            has an unknown split, a position that is none, or a path that leaves ``root``.
    """
    root = manifest.parent if root is None else root
    table = read_table(manifest)
    if not {"path", "image"} & set(table.columns):
        raise DatasetError(
            f'{manifest}: there is no column "path"; '
            f"the columns are: {', '.join(table.columns) or 'none'}."
        )
    samples = [_sample(row, root, f"{manifest}, row {number}") for number, row in table.rows]
    _refuse_doubles(samples, manifest)
    absent = {s.name for s in samples if not is_file(s.path)}
    kept = [s for s in samples if s.name not in absent]
    unmasked = {s.name: s.mask for s in kept if s.mask is not None and not is_file(s.mask)}
    missing = (
        ("pictures", sorted(absent)),
        ("masks", [mask.relative_to(root).as_posix() for mask in unmasked.values()]),
    )
    warnings = (
        f"{manifest.name}: {len(names)} {what} do not exist and were left out ({shorten(names)})."
        for what, names in missing
        if names
    )
    return [replace(s, mask=None) if s.name in unmasked else s for s in kept], tuple(warnings)


def _sample(row: Mapping[str, str], root: Path, where: str) -> Sample:
    cells = {
        column: next((row[name] for name in names if row.get(name)), "")
        for column, names in _COLUMNS.items()
    }
    if not cells["path"]:
        raise DatasetError(f"{where}: the path is empty; every row names a picture.")
    path = _inside(cells["path"], root, where)
    defect = _defect(cells["defect"])
    return Sample(
        path=path,
        name=path.relative_to(root).as_posix(),
        category=cells["category"] or None,
        split=_split(cells["split"], where) or ("train" if defect in (None, GOOD) else "test"),
        defect=defect,
        mask=_inside(cells["mask"], root, where) if cells["mask"] else None,
        position=_position(cells["position"], where) if cells["position"] else None,
        group=cells["group"] or None,
    )


def _defect(word: str) -> str | None:
    if word.lower() in _GOOD_WORDS:
        return GOOD
    return "anomaly" if word.lower() in _DEFECT_WORDS else word or None


def _split(word: str, where: str) -> Literal["train", "test"] | None:
    match word.lower():
        case "train":
            return "train"
        case "test":
            return "test"
        case "":
            return None
        case _:
            raise DatasetError(f'{where}: the split is "{word}"; train and test are allowed.')


def _position(text: str, where: str) -> float:
    try:
        position = float(text)
    except ValueError:
        position = math.nan
    if not -0.5 <= position <= 0.5:
        raise DatasetError(
            f'{where}: the position is "{text}"; where in its volume a slice lies is a number from '
            "-0.5 to 0.5."
        )
    return position


def _inside(text: str, root: Path, where: str) -> Path:
    """The path that a cell names below the root, or an error."""
    base = root.resolve()
    # Windows' separators, too: a table may have been written elsewhere.
    path = Path(os.path.normpath(base / text.replace("\\", "/")))
    try:
        leaves = PureWindowsPath(text).drive or not path.resolve().is_relative_to(base)
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name with a zero byte
        raise DatasetError(f"{where}: {text!r} cannot be a path ({error}).") from error
    if leaves or path == base or not path.is_relative_to(base):
        raise DatasetError(f"{where}: {text!r} leads out of {root}; paths must stay below it.")
    return root / path.relative_to(base)


def _refuse_doubles(samples: list[Sample], manifest: Path) -> None:
    doubles = [name for name, rows in Counter(s.name for s in samples).items() if rows > 1]
    if doubles:
        raise DatasetError(
            f"{manifest}: {len(doubles)} pictures are listed more than once ({shorten(doubles)}); "
            "list each in one row."
        )
