"""How well a model does on labelled pictures, by the honest and by the published scores."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from normalis.datasets.layouts import open_dataset
from normalis.datasets.sample import Sample
from normalis.errors import DatasetError, ImageError
from normalis.evaluation.evaluator import Evaluator
from normalis.evaluation.figures import Evaluation, Figures, ImageResult
from normalis.images.decode import read_mask
from normalis.progress import Observer, Silent
from normalis.scoring import Result, Scorer, Skipped

__all__ = ["EvaluationPair", "evaluate"]


@dataclass(frozen=True)
class EvaluationPair:
    """One model on one labelled set, seen twice.

    Attributes:
        honest: By the score that users get.
        paper: By the published scores, made from each picture's own maximum.
        images: What was said of each picture.
        skipped: Pictures or masks that could not be read, each with the reason.
    """

    honest: Evaluation
    paper: Evaluation
    images: tuple[ImageResult, ...]
    skipped: tuple[tuple[str, str], ...]


def evaluate(
    model: Scorer, data: Path | str, *, layout: str = "auto", observer: Observer | None = None
) -> EvaluationPair:
    """Score the labelled test pictures of a data set, and rank them against the truth.

    Args:
        model: A fitted model.
        data: Folder or manifest with labelled test pictures.
        layout: Of the data set; "auto" recognises it.
        observer: Hears of the progress.

    Raises:
        DatasetError: No labelled test picture.
    """
    observer = observer or Silent()
    samples = [s for s in open_dataset(Path(data), layout=layout).test if s.is_defect is not None]
    if not samples:
        raise DatasetError(
            f"{data}: holds no labelled test pictures; give a data set with a test part "
            "('normalis data check' says what was recognised), or use 'normalis score'."
        )
    return _evaluate(model, samples, observer)


def _evaluate(model: Scorer, samples: list[Sample], observer: Observer) -> EvaluationPair:
    """Feed three evaluators: the honest maps, and the two kinds of published maps."""
    count = len(samples)
    honest = Evaluator(pictures=count)
    additive, multiplicative = (Evaluator(score="paper", pictures=count) for _ in range(2))
    images: list[ImageResult] = []
    skipped: list[tuple[str, str]] = []
    observer.stage("scoring", count)
    for sample, answer in _answers(model, samples):
        observer.advance()
        if isinstance(answer, Skipped):
            skipped.append((sample.name, answer.reason))
            continue
        result, mask = _truth(sample, answer, skipped)
        assert answer.paper is not None
        honest.add(result, map=answer.map, mask=mask)
        additive.add(result, map=answer.paper.additive, mask=mask)
        multiplicative.add(result, map=answer.paper.multiplicative, mask=mask)
        images.append(result)
    paper = _with_overlap(additive.finish(), multiplicative.finish())
    return EvaluationPair(honest.finish(), paper, tuple(images), tuple(skipped))


def _answers(model: Scorer, samples: list[Sample]) -> Iterator[tuple[Sample, Result | Skipped]]:
    """Each sample with the model's answer."""
    answers = model.score([sample.path for sample in samples], paper=True)
    return zip(samples, answers, strict=True)


def _truth(
    sample: Sample, answer: Result, skipped: list[tuple[str, str]]
) -> tuple[ImageResult, Bool[np.ndarray, "h w"] | None]:
    """The picture's result, and its mask: none for a defect whose mask is missing or unusable."""
    assert answer.paper is not None
    is_defect = bool(sample.is_defect)
    result = ImageResult(
        sample.name, sample.category, is_defect, answer.score, paper_score=answer.paper.score
    )
    height, width = answer.map.shape
    if not is_defect:
        return result, np.zeros((height, width), dtype=bool)
    if sample.mask is None:
        return result, None
    try:
        return result, read_mask(sample.mask, height=height, width=width)
    except ImageError as error:
        skipped.append((f"{sample.name} (its mask)", str(error)))
        return result, None


def _with_overlap(additive: Evaluation, multiplicative: Evaluation) -> Evaluation:
    """The published protocol: per-region overlap from the multiplicative map, the rest additive."""

    def join(figures: Figures, other: Figures) -> Figures:
        return replace(figures, aupro=other.aupro, aupro_strict=other.aupro_strict)

    rows = tuple(
        (category, join(figures, other))
        for (category, figures), (_, other) in zip(additive.rows, multiplicative.rows, strict=True)
    )
    return replace(
        additive,
        rows=rows,
        mean=join(additive.mean, multiplicative.mean),
        mixed=join(additive.mixed, multiplicative.mixed),
    )
