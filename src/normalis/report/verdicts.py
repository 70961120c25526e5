"""Decision and truth together, and the classes that a report speaks of."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from normalis.evaluation.result import Judged
from normalis.metrics.alarms import AlarmRates, alarm_rates

__all__ = ["UNNAMED", "VERDICTS", "Verdict", "class_of", "tally", "verdict"]

Verdict = Literal["missed", "false alarm", "found", "passed"]

VERDICTS: tuple[Verdict, ...] = ("missed", "false alarm", "found", "passed")
"""The mistakes come first."""

UNNAMED = "unnamed"
"""The class of a picture whose category is not known."""


def verdict(picture: Judged) -> Verdict:
    """What became of one picture."""
    if picture.is_defect:
        return "found" if picture.is_anomaly else "missed"
    return "false alarm" if picture.is_anomaly else "passed"


def class_of(picture: Judged) -> str:
    """Its category, or `UNNAMED`."""
    return picture.category or UNNAMED


def tally(pictures: Sequence[Judged]) -> AlarmRates:
    """The decisions counted against the truth."""
    return alarm_rates(
        np.array([picture.is_anomaly for picture in pictures], dtype=bool),
        np.array([picture.is_defect for picture in pictures], dtype=bool),
    )
