"""How well a fitted detector does on a labelled test set (METHODS §4).

Three views: each category, the mean over categories (the field's headline), and all pictures mixed
under one ranking ("absolute unified": what a single threshold for all products lives on). A figure
that is not defined, such as the AUROC of a category without defects, is None, printed "n/a", and
takes no part in the mean.

One `Evaluator` judges one kind of score. To set a method's published score beside the honest one,
feed a second evaluator with ``score="paper"`` and the published maps.

Pixel figures are read at an evaluation size, from adaptive bins: memory does not grow with the
number of pictures. They are exact up to some hundred thousand pixels a category; beyond, the
protocol line says how far an area can be off. Image figures are always exact.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch.nn import functional

from normalis.errors import DatasetError
from normalis.evaluation.figures import Evaluation, Figures, ImageResult, mean_figures
from normalis.evaluation.protocol import HONEST, PAPER
from normalis.evaluation.result import CategoryCurves, Positions, Trace
from normalis.metrics.counts import BINS, ScoreCounts
from normalis.metrics.curve import Curve
from normalis.metrics.overlap import region_weights
from normalis.metrics.thin import thin_precision, thin_recall

__all__ = ["Evaluator"]

_LIMIT, _STRICT_LIMIT = 0.3, 0.05
_EDGES = np.linspace(-3.0, 7.0, 81)  # of the values' asinh: from -10 to 548


class Evaluator:
    """Collects scored test pictures one by one, then computes every figure."""

    def __init__(
        self, *, score: Literal["honest", "paper"] = "honest", longest_side: int = 256
    ) -> None:
        """Prepare an evaluation.

        Args:
            score: Which image score of a result is judged.
            longest_side: Maps and masks are shrunk to at most this side, in pixels; never enlarged.
        """
        self._score = score
        self._longest_side = longest_side
        self._categories: dict[str, _Counts] = {}
        self._without_mask = 0
        self._vanished = 0
        self._positions = np.zeros((2, len(_EDGES) - 1), dtype=np.int64)

    def add(
        self,
        result: ImageResult,
        *,
        map: Float[np.ndarray, "_ _"] | None = None,  # noqa: A002
        mask: Bool[np.ndarray, "_ _"] | None = None,
    ) -> None:
        """Take in one picture.

        Args:
            result: The picture's scores and truth.
            map: Its anomaly map, higher is more anomalous; None leaves it out of the pixel figures.
            mask: Its defects. A picture without a defect needs none; a defect picture without one
                (or with an empty one) is left out of the pixel figures, and counted.

        Raises:
            ValueError: If a score or map is NaN, if the paper score is judged and missing, or if
                map and mask differ in size.
            DatasetError: If a picture labelled as good has a mask that marks a defect.
        """
        score = result.score if self._score == "honest" else result.paper_score
        if score is None or math.isnan(score):
            raise ValueError(f"{result.name} has no {self._score} score: {score}.")
        _check_pixels(result, map, mask)
        counts = self._categories.setdefault(result.category or "unnamed", _Counts())
        counts.image.add(np.array([score]), np.array([result.is_defect]))
        is_marked = mask is not None and bool(mask.any())
        if map is not None and result.is_defect and not is_marked:
            self._without_mask += 1
        elif map is not None:
            self._add_pixels(counts.pixel, map, mask if is_marked else None)

    def finish(self) -> Evaluation:
        """Compute all figures. The evaluator may go on collecting afterwards."""
        rows = tuple((name, _figures(counts)) for name, counts in self._sorted())
        mixed = self._mixed()
        return Evaluation(
            rows=rows,
            mean=mean_figures([figures for _, figures in rows]),
            mixed=_figures(mixed),
            protocol=self._protocol(mixed.pixel),
        )

    def curves(self) -> tuple[CategoryCurves, ...]:
        """The curves of each category by its name, then of all pictures mixed."""
        return tuple(
            _curves(name, counts) for name, counts in [*self._sorted(), ("", self._mixed())]
        )

    def positions(self) -> Positions:
        """How the values of all maps so far are spread over good and over defect positions."""
        good, defect = (tuple(counts.tolist()) for counts in self._positions)
        return Positions(tuple(np.sinh(_EDGES).tolist()), good, defect)

    def _sorted(self) -> "list[tuple[str, _Counts]]":
        return sorted(self._categories.items(), key=lambda item: item[0])

    def _mixed(self) -> "_Counts":
        """All categories under one ranking."""
        parts = [_Counts(), *(counts for _, counts in self._sorted())]
        return _Counts(
            image=ScoreCounts.merge(*(part.image for part in parts)),
            pixel=ScoreCounts.merge(*(part.pixel for part in parts)),
        )

    def _add_pixels(self, counts: ScoreCounts, values: np.ndarray, mask: np.ndarray | None) -> None:
        """Count the pixels of the shrunk map."""
        small = _shrink(values, self._longest_side)
        marked = np.zeros(small.shape, dtype=bool)
        if mask is not None:
            marked = _shrink(mask, self._longest_side) > 0.5
            self._vanished += not marked.any()
        counts.add(small, marked, weights=region_weights(marked))
        bins = np.clip(np.arcsinh(small), _EDGES[0], _EDGES[-1])
        for row, chosen in enumerate((~marked, marked)):
            self._positions[row] += np.histogram(bins[chosen], _EDGES)[0]

    def _protocol(self, pixel: ScoreCounts) -> str:
        rules = HONEST if self._score == "honest" else PAPER
        clauses = [
            rules.sentence,
            f"{self._score} score",
            f"pixel figures at most {self._longest_side} pixels on the longest side, "
            "masks marked above 0.5 after the resize",
        ]
        areas = pixel.area_range()
        if areas is not None and not pixel.is_exact:
            clauses.append(
                f"pixels counted in adaptive bins, the mixed pixel AUROC within {areas.width:.0e}"
            )
        if self._without_mask:
            clauses.append(f"defect pictures without a mask left out of them: {self._without_mask}")
        if self._vanished:
            clauses.append(f"defects too small to be seen at this size: {self._vanished}")
        return "; ".join(clauses)


@dataclass(frozen=True)
class _Counts:
    """The scores of one category so far, which grow: of pictures, and of pixels."""

    image: ScoreCounts = field(default_factory=ScoreCounts)
    pixel: ScoreCounts = field(default_factory=lambda: ScoreCounts(bins=BINS))


def _check_pixels(result: ImageResult, values: np.ndarray | None, mask: np.ndarray | None) -> None:
    if values is not None and np.isnan(values).any():
        raise ValueError(f"The map of {result.name} holds a value that is not a number (NaN).")
    if values is not None and mask is not None and values.shape != mask.shape:
        raise ValueError(f"{result.name}: the map is {values.shape}, the mask {mask.shape}.")
    if not result.is_defect and mask is not None and mask.any():
        raise DatasetError(
            f"{result.name} is labelled as good, but its mask marks a defect: correct one of them."
        )


def _figures(counts: _Counts) -> Figures:
    """The figures of one category, or of several under one ranking."""
    image, pixel = counts.image.curve(), counts.pixel.curve()
    overlap = counts.pixel.curve(weighted=True)
    image_f1, pixel_f1 = (best and best.value for best in (image.f1_max(), pixel.f1_max()))
    return Figures(
        images=counts.image.normals + counts.image.anomalous,
        defects=counts.image.anomalous,
        image_auroc=image.area(),
        image_ap=image.average_precision(),
        image_f1_max=image_f1,
        pixel_auroc=pixel.area(),
        pixel_ap=pixel.average_precision(),
        aupro=overlap.area(limit=_LIMIT),
        pixel_f1_max=pixel_f1,
        aupro_strict=overlap.area(limit=_STRICT_LIMIT),
        pixel_iou_max=pixel.iou_max(),
    )


def _curves(category: str, counts: _Counts) -> CategoryCurves:
    image, pixel = counts.image.curve(), counts.pixel.curve()
    return CategoryCurves(
        category=category,
        image_roc=_recall(image),
        image_pr=_precision(image),
        pixel_roc=_recall(pixel),
        pixel_pr=_precision(pixel),
        region_recall=_recall(counts.pixel.curve(weighted=True)),
    )


def _recall(curve: Curve) -> Trace | None:
    return _trace(*thin_recall(curve)) if curve.is_defined else None


def _precision(curve: Curve) -> Trace | None:
    return _trace(*thin_precision(curve)) if curve.is_defined else None


def _trace(x: np.ndarray, y: np.ndarray) -> Trace:
    return Trace(x=tuple(x.tolist()), y=tuple(y.tolist()))


def _shrink(image: np.ndarray, longest_side: int) -> Float32[np.ndarray, "h w"]:
    """Bilinear with anti-aliasing, to at most this longest side."""
    factor = longest_side / max(image.shape)
    pixels = torch.from_numpy(np.array(image, dtype=np.float32, order="C"))
    if factor >= 1.0:
        return pixels.numpy()
    size = [max(1, round(factor * side)) for side in image.shape]
    small = functional.interpolate(pixels[None, None], size=size, mode="bilinear", antialias=True)
    return small[0, 0].numpy()
