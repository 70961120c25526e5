"""What came of planted defects, product by product, as figures and as sentences.

The smallest size caught is read from the share caught at each size: made to rise with the size
(isotonic regression: Barlow, Bartholomew, Bremner and Brunk, *Statistical Inference under Order
Restrictions*, 1972), and interpolated in the logarithm of the size. Its interval is where the exact
95 % bounds of the shares (Clopper and Pearson) pass the wanted share. They take trials for
independent, which several places on one picture are not quite.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from normalis.images.planting import WHOLE_KINDS
from normalis.metrics.intervals import clopper_pearson

__all__ = [
    "SCHEMA",
    "WANTED",
    "Curve",
    "Point",
    "Product",
    "Sensitivity",
    "Smallest",
    "contrast_words",
    "curve_of",
    "interval",
    "pixels",
    "sentence",
]

SCHEMA = 1
"""Rises when a reader of the JSON would have to change."""

WANTED = 0.9
"""The share that must be caught: 9 times in 10."""

_NAMES: Mapping[str, str] = {"cut-paste": "patch from elsewhere"}


@dataclass(frozen=True)
class Point:
    """All trials at one size.

    Attributes:
        size: Pixels of the original.
        trials: How many pictures and places were tried.
        caught: In how many the picture was called anomalous.
        placed: In how many it was, with the highest point of the map at the planted place.
        low: Lower 95 % bound of the share caught.
        high: Upper 95 % bound.
    """

    size: float
    trials: int
    caught: int
    placed: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share caught, in [0, 1]."""
        return self.caught / self.trials


@dataclass(frozen=True)
class Smallest:
    """The smallest size that is caught 9 times in 10; pixels, None where no size tried is.

    Attributes:
        size: The estimate; the smallest size tried, where that is caught already.
        low: Lower end of its 95 % interval; the smallest size tried, where it may lie below.
        high: Upper end; None also where there were too few trials to tell.
    """

    size: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Curve:
    """One kind of defect at one contrast.

    Attributes:
        kind: One of `images.planting.KINDS`.
        contrast: In (0, 1].
        points: By rising size.
        smallest: What is caught 9 times in 10.
    """

    kind: str
    contrast: float
    points: tuple[Point, ...]
    smallest: Smallest


@dataclass(frozen=True)
class Product:
    """One product.

    Attributes:
        name: Its category, or "concept 3" where the data set names none.
        pictures: Names of the pictures that were planted on.
        never_seen: How many of them had no part in the fit.
        validation: How many stopped the training and scaled the scores.
        calibration: How many the threshold comes from. As they are, they lie at most as high as it
            but for the rate's share, so that they alarm a little less than new ones would.
        side: Median of the pictures' shorter sides, pixels.
        clean_alarms: How many more were called anomalous as they were, and left out: what is
            planted on them proves nothing.
        far: The highest false-alarm rate that was promised for a decision.
        curves: By kind and rising contrast; none where all pictures were left out.
    """

    name: str
    pictures: tuple[str, ...]
    never_seen: int
    validation: int
    calibration: int
    side: int
    clean_alarms: int
    far: float
    curves: tuple[Curve, ...]

    @property
    def placed(self) -> float | None:
        """Of all that was caught the share with the map's highest point at the planted place."""
        points = [point for curve in self.curves for point in curve.points]
        caught = sum(point.caught for point in points)
        return sum(point.placed for point in points) / caught if caught else None

    @property
    def strongest(self) -> tuple[Curve, ...]:
        """Of each kind the curve of the highest contrast."""
        return tuple({curve.kind: curve for curve in self.curves}.values())


@dataclass(frozen=True)
class Sensitivity:
    """How small a defect a model catches.

    Attributes:
        data: Name of the data set, no path.
        promise: What the calibration can and cannot promise at the rate wished for, a sentence.
        places: Places tried on each picture.
        seed: Of all that was left to chance.
        products: Sorted by name.
        skipped: Pictures that could not be read, and why.
    """

    data: str
    promise: str
    places: int
    seed: int
    products: tuple[Product, ...]
    skipped: tuple[tuple[str, str], ...]


def curve_of(
    defect: tuple[str, float],
    sizes: Sequence[float],
    *,
    caught: Int[np.ndarray, " n"],
    placed: Int[np.ndarray, " n"],
    trials: int,
) -> Curve:
    """The counts of one kind and contrast as a curve, and what is caught 9 times in 10.

    Args:
        defect: Kind and contrast.
        sizes: Pixels, rising.
        caught: Trials caught at each size.
        placed: Of these, with the map's highest point at the planted place.
        trials: At each size.
    """
    bounds = [clopper_pearson(int(count), trials) for count in caught]
    points = tuple(
        Point(size, trials, int(hit), int(right), bound.low, bound.high)
        for size, hit, right, bound in zip(sizes, caught, placed, bounds, strict=True)
    )
    smallest = Smallest(
        size=_crossing(sizes, [point.share for point in points]),
        low=_crossing(sizes, [bound.high for bound in bounds]),
        high=_crossing(sizes, [bound.low for bound in bounds]),
    )
    return Curve(*defect, points, smallest)


def sentence(product: Product, curve: Curve) -> str:
    """What a plant asks first: from what size on this defect is caught, and how sure that is."""
    name = _NAMES.get(curve.kind, curve.kind)
    unit = "px length" if curve.kind == "scratch" else "px"
    contrast = "" if curve.kind in WHOLE_KINDS else f" at {contrast_words(curve.contrast)} contrast"
    rate = f"9 times in 10 at {100 * product.far:.2g} % false alarms"
    last = curve.points[-1]
    trials = f"{_counted(last.trials, 'trial')} on {_counted(len(product.pictures), 'picture')}"
    size = curve.smallest.size
    if size is None:
        return (
            f"on {product.name}, a {name}{contrast} is not caught {rate} at any size tried "
            f"({last.caught} of {last.trials} at the largest, {pixels(last.size)} {unit})"
        )
    tried = ", the smallest tried," if size == curve.points[0].size else ""
    return (
        f"on {product.name}, a {name} of {pixels(size)} {unit}{tried} or more{contrast} is caught "
        f"{rate} ({trials}; 95 % interval {interval(curve)})"
    )


def interval(curve: Curve) -> str:
    """The interval of the smallest size caught, in words; of a curve that has such a size."""
    least, most = curve.points[0].size, curve.points[-1].size
    low, high = curve.smallest.low, curve.smallest.high
    first = f"{pixels(least)} or less" if low in (None, least) else pixels(low or least)
    return f"{first} to {f'more than {pixels(most)}' if high is None else pixels(high)} px"


def contrast_words(contrast: float) -> str:
    """A contrast in words: "full", "50 %"."""
    return "full" if contrast == 1 else f"{100 * contrast:.3g} %"


def pixels(size: float) -> str:
    """A size in words, rounded up so that nothing is promised below what was found."""
    return f"{math.ceil(size - 1e-9)}" if size >= 10 else f"{math.ceil(10 * size - 1e-9) / 10:g}"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _crossing(sizes: Sequence[float], shares: Sequence[float]) -> float | None:
    """The size at which rising shares reach the wanted one; None where none does."""
    from scipy.optimize import isotonic_regression  # its import changes the warnings' filters

    fitted = isotonic_regression(shares).x
    reached = np.flatnonzero(fitted >= WANTED - 1e-9)
    if len(reached) == 0:
        return None
    first = int(reached[0])
    if first == 0:
        return sizes[0]
    part = (WANTED - fitted[first - 1]) / (fitted[first] - fitted[first - 1])
    step = math.log(sizes[first] / sizes[first - 1])
    return sizes[first - 1] * math.exp(min(1.0, float(part)) * step)
