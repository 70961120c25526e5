"""How small a defect is caught: made defects of graded size on good pictures."""

from normalis.sensitivity.card import (
    SCHEMA,
    WANTED,
    Curve,
    Point,
    Product,
    Sensitivity,
    Smallest,
    contrast_words,
    curve_of,
    interval,
    pixels,
    sentence,
)
from normalis.sensitivity.measure import Example, HeldOut, examples, measure
from normalis.sensitivity.plan import Plan

__all__ = [
    "SCHEMA",
    "WANTED",
    "Curve",
    "Example",
    "HeldOut",
    "Plan",
    "Point",
    "Product",
    "Sensitivity",
    "Smallest",
    "contrast_words",
    "curve_of",
    "examples",
    "interval",
    "measure",
    "pixels",
    "sentence",
]
