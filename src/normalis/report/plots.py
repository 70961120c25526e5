"""The drawings of a report: curves, score histograms, and the promise against what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from normalis.evaluation.result import CategoryCurves, Positions, Trace
from normalis.report.promise import Measured
from normalis.report.svg import CLASS, DEFECT, INK, NORMAL, PALETTE, SOFT, draw_svg, line_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "CURVES",
    "DASHES",
    "CurveKind",
    "curve_plot",
    "position_plot",
    "promise_plot",
    "score_plot",
]

DASHES = ((), (4.0, 1.5), (1.0, 1.0), (6.0, 1.5, 1.0, 1.5), (2.0, 2.0))
"""Lines beyond the palette's colours are told apart by dashes: lengths on and off, in widths."""

_POINTS = 2000  # of all lines of a drawing together: keeps it below 60 kB
_BARS = 40
_REACH = 3.0  # the axis of scores ends this many times the normal scores' range above them


@dataclass(frozen=True)
class CurveKind:
    """One kind of curve.

    Attributes:
        field: Of `CategoryCurves`.
        title: What it is called.
        x: What runs to the right.
        y: What runs upwards.
        end: Where the x axis ends.
    """

    field: str
    title: str
    x: str
    y: str
    end: float = 1.0


CURVES = (
    CurveKind("image_roc", "ROC, pictures", "false-alarm rate", "defects found"),
    CurveKind("image_pr", "Precision and recall, pictures", "recall", "precision"),
    CurveKind("pixel_roc", "ROC, pixels", "false-alarm rate", "defect pixels found"),
    CurveKind("pixel_pr", "Precision and recall, pixels", "recall", "precision"),
    CurveKind("region_recall", "Regions", "false-alarm rate of pixels", "mean recall", 0.3),
)
"""In the order of the page."""


def curve_plot(
    kind: CurveKind, curves: Sequence[CategoryCurves], *, classes: Mapping[str, int]
) -> str | None:
    """One line a class, and a heavy one for all pictures mixed; None where there is none to draw.

    Args:
        kind: Which curve.
        curves: Of each category; "" is all mixed.
        classes: Each class's number, which chooses its colour and its dashes.
    """
    known = [
        (classes.get(one.category), trace)
        for one in curves
        if (one.category in classes or not one.category)
        and (trace := getattr(one, kind.field)) is not None
    ]
    if not known:
        return None

    def draw(axes: "Axes") -> None:
        if kind.field == "image_roc":
            axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.5, linestyle=":")
        for index, trace in known:
            _draw_trace(axes, _thinned(trace, _POINTS // len(known)), index)
        axes.set(xlabel=kind.x, ylabel=kind.y, xlim=(0, kind.end), ylim=(0, 1.01))

    title = f"{kind.title}: {kind.y} over {kind.x}, one line a class, a heavy one for all mixed"
    return draw_svg(draw, name=kind.field, title=title, size=(4.2, 3.6))


def score_plot(
    normal: Sequence[float],
    defect: Sequence[float],
    *,
    name: str,
    title: str,
    threshold: float | None,
) -> str:
    """How the scores of good and of defect pictures lie to each other.

    The axis ends not far above the good pictures; the last bar holds every score beyond.

    Args:
        normal: Scores of good pictures.
        defect: Scores of defect pictures; not both are empty.
        name: A word for the drawing.
        title: For those who cannot see it.
        threshold: A line is drawn here; None for none.
    """
    from matplotlib.ticker import MaxNLocator

    both = np.array([*normal, *defect])
    low, high = float(both.min()), float(both.max())
    if normal:
        span = max(max(normal) - min(normal), (threshold or low) - min(normal))
        high = min(high, max(*normal, threshold or low) + _REACH * span)
    margin = max(1e-6, 1e-3 * (high - low))
    edges = np.linspace(low - margin, high + margin, _BARS + 1)

    def draw(axes: "Axes") -> None:
        for scores, colour, label in ((normal, NORMAL, "good"), (defect, DEFECT, "defect")):
            counts, _ = np.histogram(np.minimum(scores, high), edges)
            axes.stairs(counts, edges, fill=True, color=colour, alpha=0.35, linewidth=0)
            axes.stairs(counts, edges, color=colour, linewidth=1.0, label=label)
        if threshold is not None:
            axes.axvline(threshold, color=INK, linewidth=0.9, linestyle=(0, (3, 2)))
        axes.set(xlabel="score", ylabel="pictures", xlim=(edges[0], edges[-1]))
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0)

    return draw_svg(draw, name=name, title=title, size=(4.2, 2.2))


def position_plot(positions: Positions, *, name: str, title: str) -> str:
    """How far defect positions lie above good ones: the share of each kind at every value.

    Args:
        positions: Of all classes together.
        name: A word for the drawing.
        title: For those who cannot see it.
    """
    places = np.arcsinh(positions.edges)
    ticks = (-3, -1, 0, 1, 3, 10, 30, 100, 300)

    def draw(axes: "Axes") -> None:
        kinds = ((positions.good, NORMAL, "good"), (positions.defect, DEFECT, "defect"))
        for counts, colour, label in kinds:
            shares = 100 * np.array(counts) / max(1, sum(counts))
            axes.stairs(shares, places, fill=True, color=colour, alpha=0.35, linewidth=0)
            axes.stairs(shares, places, color=colour, linewidth=1.0, label=label)
        axes.set(xlabel="standard deviations above the usual", ylabel="positions, %")
        axes.set(xlim=(places[0], places[-1]))
        axes.set_xticks(np.arcsinh(ticks), [str(tick) for tick in ticks])
        axes.legend(loc="upper right", borderaxespad=0)

    return draw_svg(draw, name=name, title=title, size=(4.2, 2.2))


def promise_plot(measured: Sequence[Measured]) -> str:
    """The measured false-alarm rate over the promised one, with its 95 % intervals."""
    promised = [100 * one.promised for one in measured]
    rate = [100 * one.rate for one in measured]
    low = [100 * one.interval.low for one in measured]
    high = [100 * one.interval.high for one in measured]

    def draw(axes: "Axes") -> None:
        axes.fill_between(promised, low, high, color=NORMAL, alpha=0.2, linewidth=0)
        axes.plot(promised, promised, color=SOFT, linewidth=0.9, linestyle=(0, (3, 2)))
        axes.plot(promised, rate, color=NORMAL, linewidth=1.6)
        axes.set(
            xlabel="promised false-alarm rate, %",
            ylabel="measured, %",
            xlim=(0, promised[-1]),
            ylim=(0, max(*high, promised[-1])),
        )

    title = "Measured false-alarm rate over the promised one, with 95 % intervals"
    return draw_svg(draw, name="promise", title=title, size=(4.2, 3.2))


def _draw_trace(axes: "Axes", trace: Trace, index: int | None) -> None:
    """A class's line, or that of all mixed."""
    if index is None:
        axes.plot(trace.x, trace.y, color=INK, linewidth=2.0, zorder=3)
        return
    line = axes.plot(trace.x, trace.y, color=line_colour(index), linewidth=1.1)[0]
    line.set_gid(f"{CLASS}{index}")
    if dashes := DASHES[index // PALETTE % len(DASHES)]:
        line.set_dashes(dashes)


def _thinned(trace: Trace, points: int) -> Trace:
    """At most so many of its points, evenly chosen, both ends among them."""
    if len(trace.x) <= points:
        return trace
    chosen = np.unique(np.rint(np.linspace(0, len(trace.x) - 1, max(2, points))).astype(int))
    return Trace(tuple(trace.x[i] for i in chosen), tuple(trace.y[i] for i in chosen))
