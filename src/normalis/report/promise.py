"""Whether the calibration kept its promise: false-alarm rates measured on normal test pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from normalis.evaluation.result import Judged
from normalis.metrics.intervals import Interval, clopper_pearson

__all__ = ["PLOTTED", "TABLED", "Measured", "decided", "measured"]

PLOTTED = tuple(percent / 100 for percent in range(1, 31))
"""The promised rates of the plot."""

TABLED = (0.01, 0.05, 0.1, 0.2)
"""The promised rates of the table."""


@dataclass(frozen=True)
class Measured:
    """What became of one promised rate.

    Attributes:
        promised: The rate that held-out pictures promise, in (0, 1).
        alarms: Normal test pictures called a defect at that rate.
        normals: Normal test pictures, at least 1.
    """

    promised: float
    alarms: int
    normals: int

    @property
    def rate(self) -> float:
        """The measured rate, in [0, 1]."""
        return self.alarms / self.normals

    @property
    def interval(self) -> Interval:
        """Its exact 95 % interval."""
        return clopper_pearson(self.alarms, self.normals)


def measured(pictures: Sequence[Judged], rates: Sequence[float]) -> tuple[Measured, ...]:
    """False alarms at each rate by the pictures' p-values; empty without normal pictures."""
    values = [picture.p_value for picture in pictures if not picture.is_defect]
    return tuple(
        Measured(rate, sum(value <= rate for value in values), len(values))
        for rate in rates
        if values
    )


def decided(pictures: Sequence[Judged]) -> Measured | None:
    """False alarms by the decisions themselves; None without normal pictures.

    Concepts with thresholds of their own promise different rates: of the normal pictures together
    the mean is promised.
    """
    normals = [picture for picture in pictures if not picture.is_defect]
    if not normals:
        return None
    promised = mean(picture.far_promised for picture in normals)
    return Measured(promised, sum(picture.is_anomaly for picture in normals), len(normals))
