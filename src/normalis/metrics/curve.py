"""One curve from which every metric is read (METHODS §4).

Lower the threshold from +∞ to −∞ and count what lies at or above it: *true* weight among the
anomalous scores, *false* alarms among the normal ones. Every metric changes only where an
anomalous score is met, so the curve is kept at the distinct anomalous scores alone. The normal
scores may come in several sorted parts, whose counts add up: the curve of all products together
needs no joint sort of their pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

__all__ = ["Curve", "F1Max", "ranking_curve"]


@dataclass(frozen=True)
class F1Max:
    """The highest F1 that any threshold reaches, and that threshold.

    Attributes:
        value: F1 in [0, 1].
        threshold: Scores ≥ threshold are called anomalous; of several that reach the same F1,
            the highest.
    """

    value: float
    threshold: float


@dataclass(frozen=True)
class Curve:
    """True weight and false alarms at each distinct anomalous score, highest first.

    Attributes:
        thresholds: The k distinct anomalous scores, falling.
        true_at: Anomalous weight with score ≥ threshold; the last entry is the total.
        false_above: Normal scores > threshold (a count).
        false_at: Normal scores ≥ threshold (a count).
        normals: The number of normal scores.
    """

    thresholds: Float[np.ndarray, " k"]
    true_at: Float64[np.ndarray, " k"]
    false_above: Float64[np.ndarray, " k"]
    false_at: Float64[np.ndarray, " k"]
    normals: int

    @property
    def is_defined(self) -> bool:
        """Whether both normal and anomalous scores are present."""
        return self.normals > 0 and len(self.thresholds) > 0

    def area(self, *, limit: float = 1.0) -> float | None:
        """Mean height of the curve over false-alarm rates in [0, limit].

        A score shared by normal and anomalous items is a slope (ties count one half); the curve is
        interpolated at the limit itself. With unit weights and limit 1 this is the AUROC.

        Args:
            limit: The highest false-alarm rate, in (0, 1].

        Returns:
            The area divided by the limit, in [0, 1]; None if one of the two kinds is missing.

        Raises:
            ValueError: If the limit lies outside (0, 1].
        """
        if not 0.0 < limit <= 1.0:
            raise ValueError(f"The false-alarm limit must lie in (0, 1], not {limit}.")
        if not self.is_defined:
            return None
        rate, height = self._corners()
        inside = rate <= limit
        x = np.append(rate[inside], limit)
        y = np.append(height[inside], np.interp(limit, rate, height))
        return float(np.trapezoid(y, x) / limit)

    def average_precision(self) -> float | None:
        """Precision at each threshold, weighted by the recall gained there (no interpolation)."""
        if not self.is_defined:
            return None
        precision = self.true_at / (self.true_at + self.false_at)
        gained = np.diff(self.true_at, prepend=0.0) / self.true_at[-1]
        return float(gained @ precision)

    def f1_max(self) -> F1Max | None:
        """The best F1 over all thresholds: an upper bound, for it looks at the labels."""
        if not self.is_defined:
            return None
        f1 = 2.0 * self.true_at / (self.true_at + self.false_at + self.true_at[-1])
        best = int(np.argmax(f1))
        return F1Max(value=float(f1[best]), threshold=float(self.thresholds[best]))

    def _corners(self) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """The curve's corner points (false-alarm rate, share of true weight), from 0 to 1."""
        false = np.stack([self.false_above, self.false_at], axis=1).ravel() / self.normals
        true_above = np.concatenate([[0.0], self.true_at[:-1]])
        true = np.stack([true_above, self.true_at], axis=1).ravel() / self.true_at[-1]
        return np.concatenate([[0.0], false, [1.0]]), np.concatenate([[0.0], true, [1.0]])


def ranking_curve(
    normal: Sequence[Float[np.ndarray, " _"]],
    anomalous: Float[np.ndarray, " a"],
    *,
    weights: Float64[np.ndarray, " a"] | None = None,
) -> Curve:
    """Build the curve of anomalous scores against sorted parts of normal scores.

    Args:
        normal: The normal scores, each part sorted upwards. Infinite scores rank as they are.
        anomalous: The anomalous scores in any order.
        weights: A positive weight for each anomalous score; None: 1 each.

    Raises:
        ValueError: If a score is not a number. Of a sorted part only the last entry is looked at,
            for numpy sorts NaN to the end.
    """
    if np.isnan(anomalous).any() or any(len(part) and np.isnan(part[-1]) for part in normal):
        raise ValueError("A score is not a number (NaN): it cannot be ranked.")
    rising, where = np.unique(anomalous, return_inverse=True)
    total = np.bincount(where, weights=weights, minlength=len(rising)).astype(np.float64)
    thresholds = rising[::-1]
    return Curve(
        thresholds=thresholds,
        true_at=np.cumsum(total[::-1]),
        false_above=_count_beyond(normal, thresholds, or_equal=False),
        false_at=_count_beyond(normal, thresholds, or_equal=True),
        normals=sum(len(part) for part in normal),
    )


def _count_beyond(
    parts: Sequence[Float[np.ndarray, " _"]], thresholds: Float[np.ndarray, " k"], *, or_equal: bool
) -> Float64[np.ndarray, " k"]:
    """How many entries of the sorted parts lie above each threshold."""
    count = np.zeros(len(thresholds))
    for part in parts:
        count += len(part) - np.searchsorted(part, thresholds, side="left" if or_equal else "right")
    return count
