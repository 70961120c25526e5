"""How good a ranking is: exact image and pixel metrics in numpy and scipy (METHODS §4)."""

from normalis.metrics.curve import Curve, F1Max, ranking_curve
from normalis.metrics.overlap import aupro, region_weights
from normalis.metrics.ranking import auroc, average_precision, f1_max

__all__ = [
    "Curve",
    "F1Max",
    "aupro",
    "auroc",
    "average_precision",
    "f1_max",
    "ranking_curve",
    "region_weights",
]
