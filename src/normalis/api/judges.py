"""The evaluators of both protocols, fed with the same pictures."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from normalis.datasets.sample import Sample
from normalis.evaluation.evaluator import Evaluator
from normalis.evaluation.figures import Evaluation, Figures, ImageResult
from normalis.evaluation.protocol import HONEST, PAPER, Needs
from normalis.evaluation.result import CategoryCurves, Judged, Positions
from normalis.results import Result

__all__ = ["Judgement", "Judges"]

# VQ-Flow's two kinds of scores look at the picture alone; the published ones at its own maximum.
_HONEST_NEEDS = Needs()
_PAPER_NEEDS = Needs()


@dataclass(frozen=True)
class Judgement:
    """What came of a test set.

    Attributes:
        pictures: Every picture that could be read, in the data set's order.
        honest: Figures by the score that users get.
        paper: Figures by the published score.
        curves: Of the score that users get, or else of the published one.
        skipped: What could not be read, and why.
        positions: How the values of the maps that users get are spread; None without any.
    """

    pictures: tuple[Judged, ...]
    honest: Evaluation
    paper: Evaluation
    curves: tuple[CategoryCurves, ...]
    skipped: tuple[tuple[str, str], ...]
    positions: Positions | None = None


class Judges:
    """Takes in scored test pictures one by one; gives both protocols' figures.

    Args:
        published: Answers come with the published scores.

    Raises:
        SettingsError: A score is made from more than its protocol allows.
    """

    def __init__(self, *, published: bool = True) -> None:
        self._published = published
        HONEST.accept(_HONEST_NEEDS, score="score")
        PAPER.accept(_PAPER_NEEDS, score="published score")
        self._honest = Evaluator()
        # The published per-region overlap is made from a map of its own.
        self._additive, self._multiplicative = (Evaluator(score="paper") for _ in range(2))

    def add(self, sample: Sample, answer: Result, *, mask: Bool[np.ndarray, "h w"] | None) -> None:
        """Take in one picture.

        Args:
            sample: With a label.
            answer: With the published scores, if they are judged.
            mask: Its defect, original pixels; None where none is marked.
        """
        image = ImageResult(
            sample.name,
            sample.category,
            is_defect=bool(sample.is_defect),
            score=answer.score,
            paper_score=answer.paper and answer.paper.score,
        )
        self._honest.add(image, map=answer.map, mask=mask)
        if self._published:
            assert answer.paper is not None
            self._additive.add(image, map=answer.paper.additive, mask=mask)
            self._multiplicative.add(image, map=answer.paper.multiplicative, mask=mask)

    def honest(self) -> Evaluation:
        """The figures by the score that users get."""
        return self._honest.finish()

    def paper(self) -> Evaluation:
        """The figures by the published scores: overlap multiplicative, the rest additive."""
        additive, multiplicative = self._additive.finish(), self._multiplicative.finish()
        pairs = zip(additive.rows, multiplicative.rows, strict=True)
        return replace(
            additive,
            rows=tuple((name, _with_overlap(one, other)) for (name, one), (_, other) in pairs),
            mean=_with_overlap(additive.mean, multiplicative.mean),
            mixed=_with_overlap(additive.mixed, multiplicative.mixed),
        )

    def positions(self) -> Positions:
        """How the values of the maps that users get are spread."""
        return self._honest.positions()

    def curves(self) -> tuple[CategoryCurves, ...]:
        """The curves by the score that users get."""
        return self._honest.curves()


def _with_overlap(figures: Figures, other: Figures) -> Figures:
    """All of one but the overlap of the other."""
    return replace(figures, aupro=other.aupro, aupro_strict=other.aupro_strict)
