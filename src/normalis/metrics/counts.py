"""The accumulator that every metric is read from: add scores as they come, merge, read the curve.

Exact mode keeps every score. Streaming mode keeps them up to a buffer, and is exact so far; then
it folds them into a `RankSummary` of a fixed number of bins, whose error `area_range` bounds.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64

from normalis.metrics.curve import Curve, ranking_curve
from normalis.metrics.intervals import Interval
from normalis.metrics.summary import RankSummary, SortedScores, merge_summaries

__all__ = ["BINS", "ScoreCounts"]

BINS = 8192
"""Of streaming mode: 0.9 MB at most, and areas right to well below 0.001."""

_BUFFER = 2**18


class ScoreCounts:
    """Scores of normal and of anomalous items, with a weight for each anomalous one."""

    def __init__(self, *, bins: int | None = None, buffer: int = _BUFFER) -> None:
        """Start with nothing.

        Args:
            bins: None keeps every score (exact). A number keeps between so many and twice as many
                edges once the buffer is full, 56 bytes each, whatever comes.
            buffer: How many scores streaming mode keeps before it folds them.

        Raises:
            ValueError: If bins or buffer are less than 1.
        """
        if buffer < 1 or (bins is not None and bins < 1):
            raise ValueError(f"Bins and buffer must be at least 1, not {bins} and {buffer}.")
        self._bins = bins
        self._buffer = buffer
        self._summary = RankSummary.empty()
        self._normal: list[np.ndarray] = []
        self._anomalous: list[np.ndarray] = []
        self._weights: list[np.ndarray] = []
        self._held = 0

    @property
    def normals(self) -> int:
        """How many normal scores were added."""
        return int(self._summary.totals[0]) + sum(len(part) for part in self._normal)

    @property
    def anomalous(self) -> int:
        """How many anomalous scores were added."""
        return int(self._summary.totals[1]) + sum(len(part) for part in self._anomalous)

    @property
    def is_exact(self) -> bool:
        """Whether every score is still kept."""
        return not self._summary.totals.any()

    def add(
        self,
        scores: Float[np.ndarray, "*shape"],
        is_anomalous: Bool[np.ndarray, "*shape"],
        *,
        weights: Float64[np.ndarray, " a"] | None = None,
    ) -> None:
        """Count some scores in.

        Args:
            scores: Higher is more anomalous; infinite ones rank as they are.
            is_anomalous: The truth.
            weights: A positive weight for each of ``scores[is_anomalous]``; None: 1 each.

        Raises:
            ValueError: If a score is NaN, or if weights and anomalous scores differ in number.
        """
        if np.isnan(scores).any():
            raise ValueError("A score is not a number (NaN): it cannot be ranked.")
        anomalous = scores[is_anomalous]
        weights = np.ones(len(anomalous)) if weights is None else weights
        if len(weights) != len(anomalous):
            raise ValueError(f"{len(anomalous)} anomalous scores have {len(weights)} weights.")
        self._normal.append(scores[~is_anomalous])
        self._anomalous.append(anomalous)
        self._weights.append(weights)
        self._held += scores.size
        self._fold()

    def curve(self, *, weighted: bool = False) -> Curve:
        """The curve of all scores so far, each anomalous one counted once or by its weight."""
        if not self.is_exact:
            return self._summarised().curve(weighted=weighted)
        weights = _joined(self._weights) if weighted else None
        return ranking_curve(_joined(self._normal), _joined(self._anomalous), weights=weights)

    def area_range(self, *, limit: float = 1.0, weighted: bool = False) -> Interval | None:
        """Where the exact ``curve().area(limit=limit)`` lies for certain.

        Returns:
            Both ends alike in exact mode; None if one of the two kinds is missing.

        Raises:
            ValueError: If the limit lies outside (0, 1].
        """
        area = self.curve(weighted=weighted).area(limit=limit)
        if area is None or self.is_exact:
            return area if area is None else Interval(low=area, high=area)
        return self._summarised().area_range(limit=limit, weighted=weighted)

    @staticmethod
    def merge(first: "ScoreCounts", *others: "ScoreCounts") -> "ScoreCounts":
        """All scores of all of them, as if added to one; the parts stay as they are.

        Exact ones give an exact one. Summaries with equal edges add up exactly; with others, what
        is unknown between edges adds to the bounds.

        Raises:
            ValueError: If they differ in bins or buffer.
        """
        parts = (first, *others)
        if len({(part._bins, part._buffer) for part in parts}) > 1:
            raise ValueError("Only counts with the same bins and the same buffer can be merged.")
        merged = ScoreCounts(bins=first._bins, buffer=first._buffer)
        if first._bins is not None:
            merged._summary = merge_summaries([part._summary for part in parts], bins=first._bins)
        for part in parts:
            merged._normal += part._normal
            merged._anomalous += part._anomalous
            merged._weights += part._weights
            merged._held += part._held
        merged._fold()
        return merged

    def _fold(self) -> None:
        """Once the buffer is full, move what it holds into the summary."""
        if self._bins is not None and self._held > self._buffer:
            self._summary, self._held = self._summarised(), 0
            for kept in (self._normal, self._anomalous, self._weights):
                kept.clear()

    def _summarised(self) -> RankSummary:
        """The summary with what the buffer holds."""
        assert self._bins is not None
        if not self._normal:
            return self._summary
        scores = SortedScores.of(
            self._normal, _joined(self._anomalous), weights=_joined(self._weights)
        )
        return self._summary.add(scores, bins=self._bins)


def _joined(parts: list[np.ndarray]) -> np.ndarray[Any, np.dtype[np.floating[Any]]]:
    return np.concatenate(parts) if parts else np.zeros(0)
