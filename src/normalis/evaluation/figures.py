"""The figures of an evaluation; one that is not defined is None, printed "n/a"."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

__all__ = [
    "Evaluation",
    "Figures",
    "ImageResult",
    "mean_figures",
    "no_figures",
    "percent",
    "set_means",
]


@dataclass(frozen=True)
class ImageResult:
    """What the detector said of one picture, and the truth.

    Attributes:
        name: The picture's name in its data set.
        category: Its product; None where the layout does not know it.
        is_defect: The truth.
        score: The honest image score, higher is more anomalous.
        paper_score: The score as published, or None.
    """

    name: str
    category: str | None
    is_defect: bool
    score: float
    paper_score: float | None = None


@dataclass(frozen=True)
class Figures:
    """One row of an evaluation; each figure in [0, 1], or None where it is not defined.

    Attributes:
        images: Number of pictures; in the mean row, of all categories.
        defects: How many of them show a defect.
        image_auroc: AUROC of the image scores.
        image_ap: Their average precision.
        image_f1_max: Their best F1 over all thresholds.
        pixel_auroc: AUROC of the map's values at the evaluation size.
        pixel_ap: Their average precision.
        aupro: Area under the per-region overlap up to a pixel false-alarm rate of 0.3.
        pixel_f1_max: The best F1 of the map's values.
        aupro_strict: As `aupro`, up to a rate of 0.05.
        pixel_iou_max: The best intersection over union of the map's values.
    """

    images: int
    defects: int
    image_auroc: float | None
    image_ap: float | None
    image_f1_max: float | None
    pixel_auroc: float | None
    pixel_ap: float | None
    aupro: float | None
    pixel_f1_max: float | None = None
    aupro_strict: float | None = None
    pixel_iou_max: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """A whole test set.

    Attributes:
        rows: (category, its figures), sorted by category.
        mean: Over categories, leaving out None; the counts are totals.
        mixed: All pictures under one ranking.
        protocol: One sentence that says what was scored, at what size, and what was left out.
    """

    rows: tuple[tuple[str, Figures], ...]
    mean: Figures
    mixed: Figures
    protocol: str


def mean_figures(rows: Sequence[Figures]) -> Figures:
    """Each figure's mean over the rows that have it; the counts are totals."""
    means: dict[str, float | None] = {}
    for name in (f.name for f in fields(Figures) if f.name not in {"images", "defects"}):
        known = [value for row in rows if (value := getattr(row, name)) is not None]
        means[name] = sum(known) / len(known) if known else None
    return Figures(
        images=sum(row.images for row in rows), defects=sum(row.defects for row in rows), **means
    )


def no_figures(evaluation: Evaluation, protocol: str) -> Evaluation:
    """The same pictures by a score that there is not.

    Args:
        evaluation: By another score.
        protocol: Which protocol has no figures, and why.
    """

    def empty(figures: Figures) -> Figures:
        return Figures(figures.images, figures.defects, *([None] * 6))

    rows = tuple((name, empty(figures)) for name, figures in evaluation.rows)
    mean = mean_figures([figures for _, figures in rows])
    return Evaluation(rows, mean=mean, mixed=empty(evaluation.mixed), protocol=protocol)


def set_means(evaluation: Evaluation) -> list[tuple[str, Figures]]:
    """The mean over the categories of each of several data sets, "plant-a/bottle" being one.

    Empty where there is but one data set (see `normalis.datasets.open_union`).
    """
    rows: dict[str, list[Figures]] = {}
    for name, figures in evaluation.rows:
        rows.setdefault(name.partition("/")[0], []).append(figures)
    several = 1 < len(rows) < len(evaluation.rows)
    return [(f"mean of {name}", mean_figures(own)) for name, own in rows.items() if several]


def percent(figure: float | None) -> str:
    """A figure for a table: "97.3", or "n/a" where it is not defined."""
    return "n/a" if figure is None else f"{100 * figure:.1f}"
