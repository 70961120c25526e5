"""How good a ranking is: image and pixel metrics in numpy and scipy, exact or streaming."""

from normalis.metrics.alarms import AlarmRates, alarm_rates, alarm_rates_at
from normalis.metrics.counts import BINS, ScoreCounts
from normalis.metrics.curve import Curve, F1Max, ranking_curve
from normalis.metrics.intervals import Interval, bootstrap_auroc, clopper_pearson
from normalis.metrics.overlap import aupro, region_recall, region_weights
from normalis.metrics.ranking import auroc, average_precision, f1_max, iou_max
from normalis.metrics.thin import thin_precision, thin_recall

__all__ = [
    "BINS",
    "AlarmRates",
    "Curve",
    "F1Max",
    "Interval",
    "ScoreCounts",
    "alarm_rates",
    "alarm_rates_at",
    "aupro",
    "auroc",
    "average_precision",
    "bootstrap_auroc",
    "clopper_pearson",
    "f1_max",
    "iou_max",
    "ranking_curve",
    "region_recall",
    "region_weights",
    "thin_precision",
    "thin_recall",
]
