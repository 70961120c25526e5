"""Exact metrics of labelled scores: AUROC, average precision, best F1 and IoU (METHODS §4).

Ties are handled as scikit-learn handles them: equal scores pass a threshold together. A metric is
None, never 0, where it is undefined: where only one of the two kinds is present.
"""

import numpy as np
from jaxtyping import Bool, Float

from normalis.metrics.curve import Curve, F1Max, ranking_curve

__all__ = ["auroc", "average_precision", "f1_max", "iou_max"]


def auroc(scores: Float[np.ndarray, " n"], is_anomalous: Bool[np.ndarray, " n"]) -> float | None:
    """Chance that an anomalous item scores above a normal one, ties counted one half.

    Args:
        scores: Higher is more anomalous; any finite or infinite floats.
        is_anomalous: The truth.

    Returns:
        A value in [0, 1]; None if only one of the two kinds is present.

    Raises:
        ValueError: If a score is NaN.
    """
    return _labelled_curve(scores, is_anomalous).area()


def average_precision(
    scores: Float[np.ndarray, " n"], is_anomalous: Bool[np.ndarray, " n"]
) -> float | None:
    """Precision at each threshold, weighted by the recall gained there (no interpolation).

    Arguments, result and errors are those of `auroc`.
    """
    return _labelled_curve(scores, is_anomalous).average_precision()


def f1_max(scores: Float[np.ndarray, " n"], is_anomalous: Bool[np.ndarray, " n"]) -> F1Max | None:
    """The best F1 over all thresholds: an upper bound, for it looks at the labels.

    Arguments, result and errors are those of `auroc`.
    """
    return _labelled_curve(scores, is_anomalous).f1_max()


def iou_max(scores: Float[np.ndarray, " n"], is_anomalous: Bool[np.ndarray, " n"]) -> float | None:
    """The best intersection over union over all thresholds, an upper bound as `f1_max` is.

    Arguments, result and errors are those of `auroc`.
    """
    return _labelled_curve(scores, is_anomalous).iou_max()


def _labelled_curve(scores: Float[np.ndarray, " n"], is_anomalous: Bool[np.ndarray, " n"]) -> Curve:
    return ranking_curve(scores[~is_anomalous], scores[is_anomalous])
