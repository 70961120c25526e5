"""What a threshold does: false alarms among the normal items, misses among the defects."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from normalis.metrics.intervals import Interval, clopper_pearson

__all__ = ["AlarmRates", "alarm_rates", "alarm_rates_at"]


@dataclass(frozen=True)
class AlarmRates:
    """Counts of right and wrong decisions; counts of two parts add up.

    Attributes:
        false_alarms: Normal items that were called anomalous.
        normals: All normal items.
        misses: Defects that were not called anomalous.
        defects: All defects.
    """

    false_alarms: int
    normals: int
    misses: int
    defects: int

    @property
    def false_alarm_rate(self) -> float | None:
        """Share of the normal items, in [0, 1]; None without any."""
        return self.false_alarms / self.normals if self.normals else None

    @property
    def miss_rate(self) -> float | None:
        """Share of the defects, in [0, 1]; None without any."""
        return self.misses / self.defects if self.defects else None

    def false_alarm_interval(self, *, confidence: float = 0.95) -> Interval:
        """Exact (Clopper-Pearson) interval of the false-alarm rate; [0, 1] without normal items."""
        return clopper_pearson(self.false_alarms, self.normals, confidence=confidence)

    def miss_interval(self, *, confidence: float = 0.95) -> Interval:
        """Exact (Clopper-Pearson) interval of the miss rate; [0, 1] without defects."""
        return clopper_pearson(self.misses, self.defects, confidence=confidence)

    def __add__(self, other: "AlarmRates") -> "AlarmRates":
        """The counts of both parts together."""
        return AlarmRates(
            false_alarms=self.false_alarms + other.false_alarms,
            normals=self.normals + other.normals,
            misses=self.misses + other.misses,
            defects=self.defects + other.defects,
        )


def alarm_rates(
    is_alarm: Bool[np.ndarray, " n"], is_anomalous: Bool[np.ndarray, " n"]
) -> AlarmRates:
    """Count the decisions against the truth, one entry an item."""
    return AlarmRates(
        false_alarms=int((is_alarm & ~is_anomalous).sum()),
        normals=int((~is_anomalous).sum()),
        misses=int((~is_alarm & is_anomalous).sum()),
        defects=int(is_anomalous.sum()),
    )


def alarm_rates_at(
    scores: Float[np.ndarray, " n"], is_anomalous: Bool[np.ndarray, " n"], *, threshold: float
) -> AlarmRates:
    """Count what calling every score ≥ threshold anomalous would do.

    Raises:
        ValueError: If a score or the threshold is NaN.
    """
    if np.isnan(threshold) or np.isnan(scores).any():
        raise ValueError("A score or the threshold is not a number (NaN): it cannot be ranked.")
    return alarm_rates(scores >= threshold, is_anomalous)
