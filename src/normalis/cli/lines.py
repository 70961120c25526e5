"""Results as the lines that commands print."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len, set_cell_size

from normalis.api.fit import FitSummary
from normalis.api.load import BundleInfo
from normalis.cli.text import amount, counted, duration, one_line, skipped_lines
from normalis.datasets.check import DatasetCheck
from normalis.features.cache import StoreInfo

__all__ = ["check_lines", "fit_lines", "info_lines", "store_lines"]

_SHOWN = 10


def fit_lines(summary: FitSummary) -> list[str]:
    """What a fit did, and what to do next."""
    used = summary.pictures
    concepts = summary.concept_pictures
    how = "categories learned" if summary.concept_names else "concepts found"
    shown = _concepts(summary.concept_names, concepts)
    found = f"{how}: {len(concepts)}, with {shown} training pictures"
    return [
        f"learned from {counted(used.train, 'picture')}; held out {used.validation} to watch the "
        f"training and {used.calibration} to calibrate; skipped {used.skipped}",
        *skipped_lines(summary.skipped),
        *([found] if concepts else []),
        f"false alarms: {summary.promise}",
        f"model: {summary.path} (took {duration(summary.seconds)})",
        f"next: normalis {'evaluate' if summary.scores_sets else 'score'} {summary.path} "
        + ("TESTSET" if summary.scores_sets else "PICTURES --out answers"),
    ]


def info_lines(info: BundleInfo) -> list[str]:
    """What a model says of itself, its settings last."""
    manifest = info.manifest
    used = manifest.pictures
    height, width = manifest.size
    counts = f"pictures: {_concepts(manifest.concept_names, manifest.concept_pictures)}"
    return [
        f"model:        {info.path} ({amount(info.size)})",
        f"made by:      normalis {manifest.version}, format {info.schema}",
        f"preset:       {info.recipe.preset}",
        f"backbone:     {info.recipe.backbone.name}",
        f"pictures:     {height} rows, {width} columns, by {info.recipe.preparation.fit}",
        f"fitted on:    {counted(used.train, 'picture')}; held out {used.validation} to watch the "
        f"training and {used.calibration} to calibrate; skipped {used.skipped}",
        f"concepts:     {manifest.concepts}"
        + (f" ({counts})" if manifest.concept_pictures else ""),
        f"false alarms: {info.promise}",
        "settings:",
        *(f"  {name} = {value}" for name, value in _flat(info.recipe.to_tree())),
    ]


def check_lines(check: DatasetCheck) -> list[str]:
    """What is in a data set, and what is wrong with it."""
    rows = [(c.category or "-", c.split, c.defect or "not known", c.pictures) for c in check.counts]
    sizes = [f"{size.width}x{size.height} ({size.pictures})" for size in check.sizes]
    modes = [f"{mode.mode} ({mode.pictures})" for mode in check.modes]
    problems = [
        ("pictures that cannot be read", [f"{p.name}: {p.reason}" for p in check.unreadable]),
        ("the same picture more than once", list(map(" = ".join, check.duplicates))),
        ("the same picture in train and test", list(map(" = ".join, check.leaks))),
        ("the same group in train and test", list(check.groups_apart)),
        ("defects without a mask", list(check.masks_missing)),
        ("masks that cannot be used", [f"{p.name}: {p.reason}" for p in check.masks_unusable]),
        ("warnings", list(check.warnings)),
    ]
    groups = f" of {counted(check.groups, 'group')}" if check.groups else ""
    found = [line for heading, names in problems if names for line in _listed(heading, names)]
    return [
        f"layout: {check.layout}; {counted(check.pictures, 'picture')}{groups}",
        *_columns([("category", "split", "defect", "pictures"), *rows]),
        f"sizes (width x height): {_joined(sizes)}",
        f"modes: {_joined(modes)}",
        *(found or ["nothing wrong was found"]),
    ]


def store_lines(cache: Path, stores: Sequence[StoreInfo]) -> list[str]:
    """The stores in a cache."""
    if not stores:
        return [f"{cache}: no features are stored here"]
    rows = [(s.key, s.backbone, s.preparation, s.pictures, amount(s.bytes)) for s in stores]
    total = amount(sum(store.bytes for store in stores))
    head = ("key", "backbone", "preparation", "pictures", "size")
    return [f"{cache}: {total}", *_columns([head, *rows])]


def _concepts(names: Sequence[str], pictures: Sequence[int]) -> str:
    """The pictures of each concept, with its name where it has one."""
    if not names:
        return _joined(pictures)
    return _joined([f"{name} {count}" for name, count in zip(names, pictures, strict=True)])


def _joined(things: Sequence[object]) -> str:
    """The first few, and how many more there are."""
    rest = len(things) - _SHOWN
    return ", ".join(map(str, things[:_SHOWN])) + (f" and {rest} more" if rest > 0 else "")


def _listed(heading: str, names: Sequence[str]) -> list[str]:
    rest = len(names) - _SHOWN
    more = [f"  and {rest} more"] if rest > 0 else []
    return [f"{heading}: {len(names)}", *(f"  {one_line(name)}" for name in names[:_SHOWN]), *more]


def _columns(rows: Iterable[Sequence[object]]) -> list[str]:
    """Rows of words, aligned on the left and indented."""
    texts = [[one_line(str(cell)) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    padded = [map(set_cell_size, row, widths) for row in texts]
    return ["  " + "  ".join(row).rstrip() for row in padded]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The names and values of a nested tree, as `--set` takes the names."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
