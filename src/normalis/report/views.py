"""What the page of a report shows, made from a result: words, tables and drawings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from normalis.evaluation.figures import Figures, percent
from normalis.evaluation.result import Judged, Result
from normalis.metrics.intervals import Interval
from normalis.report.concepts import Concept, agreement, concepts
from normalis.report.plots import CURVES, curve_plot, position_plot, promise_plot, score_plot
from normalis.report.promise import PLOTTED, decided, measured
from normalis.report.sheets import Sheet, auroc_interval, decision_sheet, figure_sheet, span
from normalis.report.verdicts import VERDICTS, class_of, tally, verdict

__all__ = ["Fact", "Plot", "View", "make_view"]


@dataclass(frozen=True)
class Fact:
    """A number with its name, and what to know about it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Plot:
    """A drawing.

    Attributes:
        name: A word, no other drawing's of the report: its file's name.
        title: Over it.
        svg: The element.
        number: The class that it shows; None for all.
    """

    name: str
    title: str
    svg: str
    number: int | None = None


@dataclass(frozen=True)
class View:
    """All that the page needs beside the result.

    Attributes:
        classes: The number of each class.
        summary: One sentence: what was found, and what was called in error.
        facts: The figures to look at first.
        verdicts: How many pictures there are of each verdict.
        sheets: The honest and the paper figures.
        notes: Why figures are missing, a sentence each.
        curves: The drawings of the curves.
        scores: One histogram a class.
        decisions: Mistakes, and what became of promised rates.
        promise: The drawing of the promise; None without good test pictures.
        kept: Whether the promise was kept, a sentence; empty likewise.
        concepts: What the model took the pictures for.
        agreement: How far concepts and classes agree, a sentence; empty if not known.
        seconds: Of all stages together.
    """

    classes: Mapping[str, int]
    summary: str
    facts: tuple[Fact, ...]
    verdicts: Mapping[str, int]
    sheets: tuple[Sheet, ...]
    notes: tuple[str, ...]
    curves: tuple[Plot, ...]
    scores: tuple[Plot, ...]
    decisions: Sheet
    promise: Plot | None
    kept: str
    concepts: tuple[Concept, ...]
    agreement: str
    seconds: float

    @property
    def plots(self) -> tuple[Plot, ...]:
        """Every drawing."""
        return (*self.curves, *self.scores, *filter(None, [self.promise]))


def make_view(result: Result) -> View:
    """Compute and draw everything."""
    by_class = _by_class(result)
    classes = {name: number for number, name in enumerate(by_class)}
    intervals = {name: auroc_interval(pictures) for name, pictures in by_class.items()}
    intervals[""] = auroc_interval(result.pictures)
    found = concepts(result, classes)
    verdicts = [verdict(picture) for picture in result.pictures]
    return View(
        classes=classes,
        summary=_summary(result, len(classes)),
        facts=_facts(result, intervals[""]),
        verdicts={name: verdicts.count(name) for name in VERDICTS},
        sheets=(
            figure_sheet("honest", result.honest, intervals=intervals, classes=classes),
            figure_sheet("paper", result.paper, intervals={}, classes=classes),
        ),
        notes=_notes(result),
        curves=_curves(result, classes),
        scores=(
            *(_scores(name, number, by_class[name]) for name, number in classes.items()),
            *_positions(result),
        ),
        decisions=decision_sheet(result, by_class),
        promise=_promise(result.pictures),
        kept=_kept(result),
        concepts=found,
        agreement=_agreement(found, len(classes)),
        seconds=sum(stage.seconds for stage in result.stages),
    )


def _by_class(result: Result) -> dict[str, tuple[Judged, ...]]:
    """The pictures of each class, sorted by its name."""
    names = sorted({class_of(picture) for picture in result.pictures})
    return {
        name: tuple(picture for picture in result.pictures if class_of(picture) == name)
        for name in names
    }


def _summary(result: Result, classes: int) -> str:
    seen = tally(result.pictures)
    decisions = (
        f"Of {seen.defects:,} defect pictures {seen.defects - seen.misses:,} were found; of "
        f"{seen.normals:,} good ones {seen.false_alarms:,} were called a defect."
    )
    if all(picture.far_promised == 1 for picture in result.pictures):
        decisions = "No picture was called a defect or good: scores are relative to the test set."
    return (
        f"{decisions} One model, {_counted(classes, 'class', 'classes')}, "
        f"{_counted(len(result.pictures), 'test picture', 'test pictures')}."
    )


def _facts(result: Result, interval: Interval | None) -> tuple[Fact, ...]:
    """The headline: honest figures, the paper's beside them."""
    honest, paper = result.honest, result.paper
    means = (
        ("image AUROC, mean", honest.mean.image_auroc, paper.mean.image_auroc),
        ("pixel AUROC, mean", honest.mean.pixel_auroc, paper.mean.pixel_auroc),
        ("AUPRO, mean", honest.mean.aupro, paper.mean.aupro),
    )
    mixed = f"95 % interval {span(interval)}" if interval else ""
    return (
        *(Fact(name, percent(ours), f"paper {percent(theirs)}") for name, ours, theirs in means),
        Fact("image AUROC, all mixed", percent(honest.mixed.image_auroc), mixed),
    )


def _notes(result: Result) -> tuple[str, ...]:
    """Why figures are missing: one sentence a reason."""
    lacking: dict[str, list[str]] = {}
    for name, figures in result.honest.rows:
        if reason := _lack(figures):
            lacking.setdefault(reason, []).append(name)
    notes = [f"{', '.join(names)}: {reason}" for reason, names in lacking.items()]
    unmarked = sum(picture.is_defect and not picture.has_mask for picture in result.pictures)
    if unmarked:
        notes.append(
            f"{_counted(unmarked, 'defect picture has', 'defect pictures have')} no mask: "
            "counted among the pictures, left out of the figures of pixels."
        )
    return tuple(notes)


def _lack(figures: Figures) -> str:
    """Why some of a class's figures are not defined; empty if all are."""
    left_out = 'are not defined ("n/a") and take no part in the mean.'
    if not figures.defects:
        return f"no defect picture in this test set, so its figures {left_out}"
    if figures.defects == figures.images:
        return f"no good picture in this test set, so its figures of pictures {left_out}"
    if figures.pixel_auroc is None:
        return f"no defect is marked by a mask, so its figures of pixels {left_out}"
    return ""


def _curves(result: Result, classes: Mapping[str, int]) -> tuple[Plot, ...]:
    drawn = [(kind, curve_plot(kind, result.curves, classes=classes)) for kind in CURVES]
    return tuple(Plot(kind.field, kind.title, svg) for kind, svg in drawn if svg)


def _scores(name: str, number: int, pictures: Sequence[Judged]) -> Plot:
    file = f"scores-{number}"
    normal = [picture.score for picture in pictures if not picture.is_defect]
    defect = [picture.score for picture in pictures if picture.is_defect]
    title = f"Scores of {name}: {len(normal)} good and {len(defect)} defect pictures"
    svg = score_plot(normal, defect, name=file, title=title, threshold=_threshold(pictures))
    return Plot(file, name, svg, number)


def _positions(result: Result) -> tuple[Plot, ...]:
    """Where the values of good and of defect positions lie; nothing without marked defects."""
    found = result.positions
    if found is None or not sum(found.defect):
        return ()
    title = "Values of good and of defect positions, all classes"
    return (Plot("positions", title, position_plot(found, name="positions", title=title)),)


def _threshold(pictures: Sequence[Judged]) -> float | None:
    """The one of all these pictures; None where they lie in concepts with different ones."""
    found = {picture.threshold for picture in pictures}
    return found.pop() if len(found) == 1 else None


def _promise(pictures: Sequence[Judged]) -> Plot | None:
    points = measured(pictures, PLOTTED)
    title = "Promised and measured false alarms"
    return Plot("promise", title, promise_plot(points)) if points else None


def _kept(result: Result) -> str:
    """What was promised, what was measured, and whether that agrees."""
    seen = decided(result.pictures)
    if seen is None:
        return ""
    if seen.interval.low > seen.promised:
        verdict = (
            "More than promised: these good pictures differ from those held out for calibration."
        )
    elif seen.interval.high < seen.promised:
        verdict = "Fewer than promised: these good pictures score lower than those held out."
    else:
        verdict = "The promise lies within that interval."
    return (
        f"Promised {percent(seen.promised)} %, measured {percent(seen.rate)} % "
        f"({seen.alarms:,} of {seen.normals:,} good pictures, 95 % interval "
        f"{span(seen.interval)} %). {verdict}"
    )


def _agreement(found: tuple[Concept, ...], classes: int) -> str:
    share = agreement(found)
    if share is None or classes < 2:
        return ""
    return (
        f"{percent(share)} % of the test pictures lie in a concept where most are of their class."
    )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
