"""The Python interface: fit, load, evaluate, describe."""

from normalis.api.evaluate import evaluate, evaluate_export
from normalis.api.fit import FitSummary, fit
from normalis.api.load import BundleInfo, describe, load
from normalis.api.options import FitOptions

__all__ = [
    "BundleInfo",
    "FitOptions",
    "FitSummary",
    "describe",
    "evaluate",
    "evaluate_export",
    "fit",
    "load",
]
