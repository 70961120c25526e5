"""One curve from which every metric is read (METHODS §4).

Lower the threshold from +∞ to −∞ and count what lies at or above it: *true* weight among the
anomalous scores, *false* alarms among the normal ones. Every metric changes only where an
anomalous score is met, so the curve is kept at the distinct anomalous scores alone.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

__all__ = ["Curve", "F1Max", "area_below", "ranking_curve"]


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

    A curve read from bins has one entry a bin that holds anomalous scores: its lower edge. All
    scores of the bin then count as equal.

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
        rate, recall = self.corners()
        return area_below(rate, recall, limit=limit)

    def average_precision(self) -> float | None:
        """Precision at each threshold, weighted by the recall gained there (no interpolation)."""
        if not self.is_defined:
            return None
        gained = np.diff(self.recall(), prepend=0.0)
        return float(gained @ self.precision())

    def f1_max(self) -> F1Max | None:
        """The best F1 over all thresholds: an upper bound, for it looks at the labels."""
        if not self.is_defined:
            return None
        f1 = 2.0 * self.true_at / (self.true_at + self.false_at + self.true_at[-1])
        best = int(np.argmax(f1))
        return F1Max(value=float(f1[best]), threshold=float(self.thresholds[best]))

    def iou_max(self) -> float | None:
        """The best intersection over union, reached where F1 is best: IoU = F1 / (2 − F1)."""
        best = self.f1_max()
        return None if best is None else best.value / (2.0 - best.value)

    def recall(self) -> Float64[np.ndarray, " k"]:
        """Share of the anomalous weight at or above each threshold: rising to 1."""
        return self.true_at / self.true_at[-1]

    def precision(self) -> Float64[np.ndarray, " k"]:
        """True weight among all that lies at or above each threshold, in [0, 1]."""
        return self.true_at / (self.true_at + self.false_at)

    def corners(self) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """The corner points of a defined curve: false-alarm rate and recall, both from 0 to 1."""
        false = np.stack([self.false_above, self.false_at], axis=1).ravel() / self.normals
        recall = self.recall()
        true = np.stack([np.append(0.0, recall[:-1]), recall], axis=1).ravel()
        return np.concatenate([[0.0], false, [1.0]]), np.concatenate([[0.0], true, [1.0]])


def area_below(
    rate: Float64[np.ndarray, " n"], height: Float64[np.ndarray, " n"], *, limit: float
) -> float:
    """Mean height of a line of points over rates in [0, limit], cut at the limit itself."""
    inside = rate <= limit
    x = np.append(rate[inside], limit)
    y = np.append(height[inside], np.interp(limit, rate, height))
    return float(np.trapezoid(y, x) / limit)


def ranking_curve(
    normal: Float[np.ndarray, " n"],
    anomalous: Float[np.ndarray, " a"],
    *,
    weights: Float64[np.ndarray, " a"] | None = None,
) -> Curve:
    """Build the exact curve by sorting; infinite scores rank as they are.

    Args:
        normal: The normal scores, in any order.
        anomalous: The anomalous scores, in any order.
        weights: A positive weight for each anomalous score; None: 1 each.

    Raises:
        ValueError: If a score is not a number.
    """
    if np.isnan(anomalous).any() or np.isnan(normal).any():
        raise ValueError("A score is not a number (NaN): it cannot be ranked.")
    rising, where = np.unique(anomalous, return_inverse=True)
    weight = np.bincount(where, weights=weights, minlength=len(rising)).astype(np.float64)
    ranked = np.sort(normal)
    beneath, at_most = (np.searchsorted(ranked, rising, side=side) for side in ("left", "right"))
    return Curve(
        thresholds=rising[::-1],
        true_at=np.cumsum(weight[::-1]),
        false_above=(len(ranked) - at_most[::-1]).astype(np.float64),
        false_at=(len(ranked) - beneath[::-1]).astype(np.float64),
        normals=len(ranked),
    )
