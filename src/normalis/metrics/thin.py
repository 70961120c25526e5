"""A curve of a million points, thinned for drawing."""

import numpy as np
from jaxtyping import Float64, Int

from normalis.metrics.curve import Curve

__all__ = ["thin_precision", "thin_recall"]

_Points = tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]


def thin_recall(curve: Curve, *, points: int = 200) -> _Points:
    """False-alarm rate and recall of a defined curve, dense at low false-alarm rates.

    At most so many of its own corner points, with both ends. They lie evenly over the sum of the
    rate's cube root and the recall, so that neither a steep nor a flat stretch is lost.
    """
    rate, recall = curve.corners()
    chosen = _evenly(np.cbrt(rate) + recall, points)
    return rate[chosen], recall[chosen]


def thin_precision(curve: Curve, *, points: int = 200) -> _Points:
    """Recall and precision of a defined curve, from recall 0, evenly over the recall."""
    recall, precision = curve.recall(), curve.precision()
    chosen = _evenly(recall, points - 1)
    recall, precision = recall[chosen], precision[chosen]
    return np.append(0.0, recall), np.append(precision[0], precision)


def _evenly(position: Float64[np.ndarray, " n"], points: int) -> Int[np.ndarray, " m"]:
    """Indices of at most so many points, evenly over a rising position, both ends among them."""
    return np.unique(np.searchsorted(position, np.linspace(position[0], position[-1], points)))
