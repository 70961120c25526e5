"""How well a fitted detector does on a labelled test set (METHODS §4).

Three views: each category, the mean over categories (the field's headline), and all pictures mixed
under one ranking ("absolute unified": what a single threshold for all products lives on). A figure
that is not defined, such as the AUROC of a category without defects, is None, printed "n/a", and
takes no part in the mean.

One `Evaluator` judges one kind of score. To set a method's published score beside the honest one,
feed a second evaluator with ``score="paper"`` and the published maps.

Pixel figures are read at an evaluation size. Maps are not kept: each is split at once into the
scores of its normal and of its defect pixels, 4 bytes a normal pixel and 12 a defect pixel, and as
much again while finishing. Where the number of pictures is given, the size shrinks so that all
together keep at most `PIXEL_BUDGET` pixels (4,096 pictures of 256 × 256: 1 GiB).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch.nn import functional

from normalis.errors import DatasetError
from normalis.evaluation.figures import Evaluation, Figures, ImageResult
from normalis.metrics.curve import ranking_curve
from normalis.metrics.overlap import region_weights

__all__ = ["PIXEL_BUDGET", "Evaluator"]

PIXEL_BUDGET = 2**28

_FIGURES = tuple(f.name for f in fields(Figures) if f.name not in {"images", "defects"})


class Evaluator:
    """Collects scored test pictures one by one, then computes every figure."""

    def __init__(
        self,
        *,
        score: Literal["honest", "paper"] = "honest",
        pictures: int | None = None,
        longest_side: int = 256,
    ) -> None:
        """Prepare an evaluation.

        Args:
            score: Which image score of a result is judged.
            pictures: How many will come, if known: bounds the memory.
            longest_side: Maps and masks are shrunk to at most this side, in pixels; never enlarged.
        """
        within_budget = math.isqrt(PIXEL_BUDGET // max(1, pictures or 1))
        self._score = score
        self._longest_side = max(1, min(longest_side, within_budget))
        self._categories: dict[str, _Collected] = {}
        self._without_mask = 0
        self._vanished = 0

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
        collected = self._categories.setdefault(result.category or "unnamed", _Collected())
        (collected.defect_scores if result.is_defect else collected.normal_scores).append(score)
        is_marked = mask is not None and bool(mask.any())
        if map is not None and result.is_defect and not is_marked:
            self._without_mask += 1
        elif map is not None:
            self._add_pixels(collected, map, mask if is_marked else None)

    def finish(self) -> Evaluation:
        """Compute all figures. The evaluator may go on collecting afterwards."""
        names = sorted(self._categories)
        parts = [_ranked(self._categories[name]) for name in names]
        rows = [_figures([part]) for part in parts]
        return Evaluation(
            rows=tuple(zip(names, rows, strict=True)),
            mean=_mean(rows),
            mixed=_figures(parts),
            protocol=self._protocol(),
        )

    def _add_pixels(
        self, collected: "_Collected", values: np.ndarray, mask: np.ndarray | None
    ) -> None:
        """Split the shrunk map into the scores of its normal and of its defect pixels."""
        small = _shrink(values, self._longest_side)
        marked = np.zeros(small.shape, dtype=bool)
        if mask is not None:
            marked = _shrink(mask, self._longest_side) > 0.5
            self._vanished += not marked.any()
        collected.normal_pixels.append(small[~marked])
        collected.defect_pixels.append(small[marked])
        collected.weights.append(region_weights(marked))

    def _protocol(self) -> str:
        clauses = [
            f"{self._score} score",
            f"pixel figures at most {self._longest_side} pixels on the longest side, "
            "masks marked above 0.5 after the resize",
        ]
        if self._without_mask:
            clauses.append(f"defect pictures without a mask left out of them: {self._without_mask}")
        if self._vanished:
            clauses.append(f"defects too small to be seen at this size: {self._vanished}")
        return "; ".join(clauses)


@dataclass(frozen=True)
class _Collected:
    """The scores of one category so far; the lists grow."""

    normal_scores: list[float] = field(default_factory=list[float])
    defect_scores: list[float] = field(default_factory=list[float])
    normal_pixels: list[np.ndarray] = field(default_factory=list[np.ndarray])
    defect_pixels: list[np.ndarray] = field(default_factory=list[np.ndarray])
    weights: list[np.ndarray] = field(default_factory=list[np.ndarray])


@dataclass(frozen=True)
class _Ranked:
    """One category, ready for the curves: normal scores and pixels are sorted."""

    normal_scores: Float[np.ndarray, " n"]
    defect_scores: Float[np.ndarray, " d"]
    normal_pixels: Float32[np.ndarray, " p"]
    defect_pixels: Float32[np.ndarray, " q"]
    weights: Float[np.ndarray, " q"]


def _check_pixels(result: ImageResult, values: np.ndarray | None, mask: np.ndarray | None) -> None:
    if values is not None and np.isnan(values).any():
        raise ValueError(f"The map of {result.name} holds a value that is not a number (NaN).")
    if values is not None and mask is not None and values.shape != mask.shape:
        raise ValueError(f"{result.name}: the map is {values.shape}, the mask {mask.shape}.")
    if not result.is_defect and mask is not None and mask.any():
        raise DatasetError(
            f"{result.name} is labelled as good, but its mask marks a defect: correct one of them."
        )


def _ranked(collected: _Collected) -> _Ranked:
    normal_pixels = _joined(collected.normal_pixels, np.float32)
    normal_pixels.sort()
    return _Ranked(
        normal_scores=np.sort(np.array(collected.normal_scores, dtype=np.float64)),
        defect_scores=np.array(collected.defect_scores, dtype=np.float64),
        normal_pixels=normal_pixels,
        defect_pixels=_joined(collected.defect_pixels, np.float32),
        weights=_joined(collected.weights, np.float64),
    )


def _figures(parts: Sequence[_Ranked]) -> Figures:
    """The figures of one category, or of several under one ranking."""
    normals = [part.normal_scores for part in parts]
    defects = _joined([part.defect_scores for part in parts], np.float64)
    normal_pixels = [part.normal_pixels for part in parts]
    defect_pixels = _joined([part.defect_pixels for part in parts], np.float32)
    image = ranking_curve(normals, defects)
    pixel = ranking_curve(normal_pixels, defect_pixels)
    overlap = ranking_curve(
        normal_pixels, defect_pixels, weights=_joined([part.weights for part in parts], np.float64)
    )
    image_f1, pixel_f1 = (best and best.value for best in (image.f1_max(), pixel.f1_max()))
    return Figures(
        images=image.normals + len(defects),
        defects=len(defects),
        image_auroc=image.area(),
        image_ap=image.average_precision(),
        image_f1_max=image_f1,
        pixel_auroc=pixel.area(),
        pixel_ap=pixel.average_precision(),
        aupro=overlap.area(limit=0.3),
        pixel_f1_max=pixel_f1,
        aupro_strict=overlap.area(limit=0.05),
    )


def _mean(rows: Sequence[Figures]) -> Figures:
    """Each figure's mean over the categories that have it."""
    means = {name: _mean_figure([getattr(row, name) for row in rows]) for name in _FIGURES}
    return Figures(
        images=sum(row.images for row in rows), defects=sum(row.defects for row in rows), **means
    )


def _mean_figure(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _joined(parts: Sequence[np.ndarray], dtype: type[np.floating[Any]]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *parts])


def _shrink(image: np.ndarray, longest_side: int) -> Float32[np.ndarray, "h w"]:
    """Bilinear with anti-aliasing, to at most this longest side."""
    factor = longest_side / max(image.shape)
    pixels = torch.from_numpy(np.array(image, dtype=np.float32, order="C"))
    if factor >= 1.0:
        return pixels.numpy()
    size = [max(1, round(factor * side)) for side in image.shape]
    small = functional.interpolate(pixels[None, None], size=size, mode="bilinear", antialias=True)
    return small[0, 0].numpy()
