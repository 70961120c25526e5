"""A labelled test set judged: what `evaluate` and `demo` have in common."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from normalis.api.evaluate import evaluate, evaluate_export
from normalis.api.options import Paths
from normalis.bundle.manifest import read_manifest
from normalis.cli.text import counted, skipped_lines
from normalis.errors import SettingsError
from normalis.evaluation.folder import move_result, require_place, write_result
from normalis.evaluation.result import Result
from normalis.export.runtimes import require_cpu
from normalis.folders import folder_made, scratch_beside
from normalis.progress import Observer
from normalis.report.site import require_site, write_report
from normalis.report.tables import as_text, figure_table
from normalis.report.thumbnails import Thumbnails
from normalis.results import MapRange

__all__ = ["judge", "result_lines"]


def judge(
    model: Path,
    data: Paths,
    *,
    layout: str = "auto",
    allow_seen: bool = False,
    export: Path | None = None,
    device: str = "auto",
    out: Path | None = None,
    report: Path | None = None,
    observer: Observer,
) -> list[str]:
    """Evaluate a model, write what is asked for, and give the lines to print.

    Args:
        model: Folder of a fitted model.
        data: Folder or manifest with labelled test pictures, or several.
        layout: Of the data.
        allow_seen: Evaluate on pictures that the model has seen, too.
        export: An exported form of the model that scores in its place.
        device: Where the model computes.
        out: Folder of the result, with pictures.
        report: Folder of the report.
        observer: Hears of the progress.

    Raises:
        NormalisError: A user's mistake, see `normalis.errors`.
    """
    _require_places(out, report)
    with _beside(out or report) as folder:
        draw = folder and Thumbnails(folder, MapRange(*read_manifest(model).map_range)).draw
        judging = partial(evaluate, model, device=device)
        if export is not None:
            require_cpu(export, device)
            judging = partial(evaluate_export, export, model=model)
        result = judging(data, layout=layout, allow_seen=allow_seen, draw=draw, observer=observer)
        lines = result_lines(result)
        if folder:
            lines += _written(result, folder, out=out, report=report)
    return lines


def result_lines(result: Result) -> list[str]:
    """The table with its protocols, and what was left out or should not have been there."""
    unmarked = sum(picture.is_defect and not picture.has_mask for picture in result.pictures)
    lines = [as_text(figure_table(result.honest, result.paper))]
    if result.model.runtime != "library":
        lines.append(f"scored by its exported form: {result.model.runtime}")
    if result.skipped:
        lines += [f"skipped: {len(result.skipped):,}", *skipped_lines(result.skipped)]
    if unmarked:
        left_out = counted(unmarked, "defect picture")
        lines.append(f"left out of the pixel figures: {left_out} without a usable mask")
    if result.seen:
        seen = counted(len(result.seen), "test picture")
        lines.append(
            f"NOT A FAIR TEST: the model was fitted or calibrated on {seen}, so that these figures "
            "promise nothing for new pictures"
        )
    return lines


def _require_places(out: Path | None, report: Path | None) -> None:
    """Refuse before any work what could not be written after it."""
    if out and report and os.path.realpath(out) == os.path.realpath(report):
        raise SettingsError(
            f"{out}: is given for the result and for the report; a report holds the result too, so "
            "give --report alone, or two folders."
        )
    if out:
        require_place(out)
    if report:
        require_site(report)


@contextmanager
def _beside(place: Path | None) -> Generator[Path | None]:
    """A folder on the disk of what is to be written; an interrupted run leaves nothing else."""
    if place is None:
        yield None
        return
    real = Path(os.path.realpath(place))
    with folder_made(real.parent), scratch_beside(real) as folder:
        yield folder / "result"


def _written(
    result: Result, folder: Path, *, out: Path | None, report: Path | None
) -> Iterator[str]:
    """Write the result and the report of it; say where."""
    write_result(result, folder)
    if out:
        move_result(folder, out)
        yield f"result: {out}"
    if report:
        yield f"report: {write_report(result, source=out or folder, out=report)}"
