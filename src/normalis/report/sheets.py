"""Figures and decisions as tables that a page can sort."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from normalis.evaluation.figures import Evaluation, Figures, percent, set_means
from normalis.evaluation.result import Judged, Result
from normalis.metrics.intervals import Interval, bootstrap_auroc, clopper_pearson
from normalis.report.promise import TABLED, measured
from normalis.report.verdicts import Verdict, tally

__all__ = ["Cell", "Line", "Sheet", "auroc_interval", "decision_sheet", "figure_sheet", "span"]

_FIGURES = (
    *(("AUROC", "image_auroc"), ("AP", "image_ap"), ("F1-max", "image_f1_max")),
    *(("AUROC", "pixel_auroc"), ("AP", "pixel_ap"), ("F1-max", "pixel_f1_max")),
    *(("IoU-max", "pixel_iou_max"), ("AUPRO", "aupro"), ("AUPRO 5 %", "aupro_strict")),
)


@dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        text: As it is read.
        value: As it is sorted; None comes last.
        note: Beside it, smaller.
        verdict: The pictures that it counts; None where it counts none.
    """

    text: str
    value: float | None
    note: str = ""
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Line:
    """One row: a class, or several together.

    Attributes:
        name: The class, "mean" or "all mixed".
        number: The class's number; None for several.
        cells: As many as the sheet has columns.
    """

    name: str
    number: int | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Sheet:
    """A table.

    Attributes:
        name: A word, no other table's on the page.
        title: Its heading.
        groups: Headings over several columns, and over how many each; together over all.
        columns: The headings of the cells.
        lines: One a class.
        totals: What stays at the foot when the lines are sorted.
        protocol: The sentence below.
    """

    name: str
    title: str
    groups: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    totals: tuple[Line, ...]
    protocol: str


def figure_sheet(
    name: str,
    evaluation: Evaluation,
    *,
    intervals: Mapping[str, Interval | None],
    classes: Mapping[str, int],
) -> Sheet:
    """Every figure of every class.

    Args:
        name: "honest" or "paper".
        evaluation: The figures.
        intervals: Of the AUROC over pictures, by class, "" for all mixed; may lack some.
        classes: Each class's number.
    """
    return Sheet(
        name=name,
        title=f"{name.capitalize()} protocol",
        groups=(("test pictures", 2), ("by picture", 3), ("by pixel", 6)),
        columns=("all", "defects", *(head for head, _ in _FIGURES)),
        lines=tuple(
            Line(row, classes.get(row), _figure_cells(figures, intervals.get(row)))
            for row, figures in evaluation.rows
        ),
        totals=(
            *(Line(part, None, _figure_cells(own, None)) for part, own in set_means(evaluation)),
            Line("mean", None, _figure_cells(evaluation.mean, None)),
            Line("all mixed", None, _figure_cells(evaluation.mixed, intervals.get(""))),
        ),
        protocol=evaluation.protocol,
    )


def decision_sheet(result: Result, by_class: Mapping[str, Sequence[Judged]]) -> Sheet:
    """Mistakes at the model's own rate, and false alarms at other promised rates.

    Args:
        result: The result.
        by_class: The pictures of each class, in the order of the classes' numbers.
    """
    rates = tuple(f"at {100 * rate:g} %" for rate in TABLED)
    return Sheet(
        name="decisions",
        title="Decisions",
        groups=(("defect pictures", 2), ("good pictures", 2 + len(rates))),
        columns=("tested", "missed", "tested", "false alarms", *rates),
        lines=tuple(
            Line(name, number, _decision_cells(pictures))
            for number, (name, pictures) in enumerate(by_class.items())
        ),
        totals=(Line("all mixed", None, _decision_cells(result.pictures)),),
        protocol=result.honest.protocol,
    )


def auroc_interval(pictures: Sequence[Judged]) -> Interval | None:
    """The 95 % bootstrap interval of the AUROC of the honest scores; None if not defined."""
    scores = np.array([picture.score for picture in pictures], dtype=np.float64)
    truth = np.array([picture.is_defect for picture in pictures], dtype=bool)
    return bootstrap_auroc(scores, truth)


def span(interval: Interval) -> str:
    """An interval of rates in percent: "91.2–98.7"."""
    return f"{percent(interval.low)}–{percent(interval.high)}"


def _figure_cells(figures: Figures, interval: Interval | None) -> tuple[Cell, ...]:
    values = [getattr(figures, field) for _, field in _FIGURES]
    cells = [Cell(percent(value), value) for value in values]
    if interval:
        cells[0] = Cell(cells[0].text, cells[0].value, span(interval))
    return (_count(figures.images), _count(figures.defects), *cells)


def _decision_cells(pictures: Sequence[Judged]) -> tuple[Cell, ...]:
    seen = tally(pictures)
    at_rates = measured(pictures, TABLED)
    return (
        _count(seen.defects),
        _share(seen.misses, seen.defects, "missed"),
        _count(seen.normals),
        _share(seen.false_alarms, seen.normals, "false alarm"),
        *(_share(one.alarms, one.normals) for one in at_rates),
        *(_share(0, 0) for _ in TABLED[len(at_rates) :]),
    )


def _count(count: int) -> Cell:
    return Cell(f"{count:,}", float(count))


def _share(count: int, total: int, verdict: Verdict | None = None) -> Cell:
    """A count, sorted by its share, with the share and its interval beside it."""
    if not total:
        return Cell("n/a", None)
    share, interval = count / total, clopper_pearson(count, total)
    return Cell(f"{count:,}", share, f"{percent(share)} ({span(interval)})", verdict)
