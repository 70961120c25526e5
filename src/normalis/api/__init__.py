"""The Python interface: fit, load, evaluate, describe."""

from normalis.api.evaluate import evaluate
from normalis.api.fit import FitSummary, fit
from normalis.api.load import BundleInfo, describe, load
from normalis.api.options import FitOptions

__all__ = [
    "BundleInfo",
    "FitOptions",
    "FitSummary",
    "describe",
    "evaluate",
    "fit",
    "load",
]
