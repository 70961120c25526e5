"""The Python interface: fit, load, evaluate, describe."""

from normalis.api.evaluate import EvaluationPair, evaluate
from normalis.api.fit import FitSummary, fit
from normalis.api.load import BundleInfo, describe, load
from normalis.api.options import FitOptions

__all__ = [
    "BundleInfo",
    "EvaluationPair",
    "FitOptions",
    "FitSummary",
    "describe",
    "evaluate",
    "fit",
    "load",
]
