"""How sure a figure is: exact intervals for rates, bootstrap intervals for the AUROC."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import special

__all__ = ["Interval", "bootstrap_auroc", "clopper_pearson"]


@dataclass(frozen=True)
class Interval:
    """Where the true value lies at a stated confidence.

    Attributes:
        low: Lower end, in [0, 1].
        high: Upper end, in [0, 1], at least `low`.
    """

    low: float
    high: float

    @property
    def width(self) -> float:
        """How far apart the ends are."""
        return self.high - self.low


def clopper_pearson(count: int, total: int, *, confidence: float = 0.95) -> Interval:
    """The exact interval of a rate of which `count` in `total` were seen.

    It covers the true rate at least as often as the confidence says, whatever the rate (Clopper
    and Pearson, *The use of confidence or fiducial limits*, 1934).

    Args:
        count: How often the event was seen, in 0 ... total.
        total: How many trials there were; of none nothing is known: [0, 1].
        confidence: In (0, 1).

    Raises:
        ValueError: If the count or the confidence lies outside its range.
    """
    if not 0 <= count <= total:
        raise ValueError(f"The count must lie in 0 ... {total}, not {count}.")
    tail = _tail(confidence)
    others = total - count
    low = special.betaincinv(count, others + 1, tail) if count else 0.0
    high = special.betainccinv(count + 1, others, tail) if others else 1.0
    return Interval(low=float(low), high=float(high))


def bootstrap_auroc(
    scores: Float[np.ndarray, " n"],
    is_anomalous: Bool[np.ndarray, " n"],
    *,
    confidence: float = 0.95,
    repeats: int = 1000,
    seed: int = 0,
) -> Interval | None:
    """The percentile bootstrap interval of the AUROC.

    Normal and anomalous items are drawn anew each on their own (stratified), so every repeat has
    as many of both as there are. Where all defects rank above all normals every repeat does too:
    the interval is then [1, 1], which says nothing of pictures not seen.

    Args:
        scores: Higher is more anomalous.
        is_anomalous: The truth.
        confidence: In (0, 1).
        repeats: How often to draw, at least 1.
        seed: Of the draws; the same seed gives the same interval.

    Returns:
        The interval; None if only one of the two kinds is present.

    Raises:
        ValueError: If a score is NaN, or if the confidence or the repeats lie outside their range.
    """
    tail = _tail(confidence)
    if repeats < 1:
        raise ValueError(f"The bootstrap must be repeated at least once, not {repeats} times.")
    if np.isnan(scores).any():
        raise ValueError("A score is not a number (NaN): it cannot be ranked.")
    if is_anomalous.all() or not is_anomalous.any():
        return None
    _, rank = np.unique(scores, return_inverse=True)
    normal, anomalous = rank[~is_anomalous], rank[is_anomalous]
    generator = np.random.default_rng(seed)
    areas = np.zeros(repeats)
    for repeat in range(repeats):
        drawn = np.bincount(generator.choice(normal, len(normal)), minlength=rank.max() + 1)
        beaten = np.cumsum(drawn) - 0.5 * drawn  # ties count one half
        areas[repeat] = beaten[generator.choice(anomalous, len(anomalous))].mean() / len(normal)
    low, high = np.quantile(areas, [tail, 1.0 - tail])
    return Interval(low=float(low), high=float(high))


def _tail(confidence: float) -> float:
    """The chance left out at each end."""
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"The confidence must lie in (0, 1), not {confidence}.")
    return (1.0 - confidence) / 2.0
