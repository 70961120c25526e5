"""Made results and figures."""

from pathlib import Path

import numpy as np

from normalis.calibration import Decision
from normalis.evaluation import Evaluation, Figures
from normalis.images.decode import Picture
from normalis.images.regions import hot_box, peak
from normalis.results import MapRange, Result

RANGE = MapRange(low=1.0, high=3.0)


def make_picture(height: int = 24, width: int = 32, *, seed: int = 0) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Picture(pixels, "RGB")


def make_result(
    path: Path = Path("a.png"),
    *,
    picture: Picture | None = None,
    values: np.ndarray | None = None,
    score: float = 2.5,
    is_anomaly: bool = False,
) -> Result:
    picture = picture or make_picture()
    if values is None:
        values = np.full((picture.height, picture.width), RANGE.low, np.float32)
    return Result(
        path=path,
        picture=picture,
        map=values,
        score=score,
        decision=Decision(0.25, is_anomaly, 2.0, 0.1, "global"),
        concept=3,
        peak=peak(values),
        box=hot_box(values, RANGE.high),
        concept_name="bolt",
        concept_probability=0.75,
    )


def hot_map(height: int = 24, width: int = 32) -> np.ndarray:
    """Usual but for a block of rows 8..12 and columns 10..16."""
    values = np.full((height, width), RANGE.low, np.float32)
    values[8:12, 10:16] = 5.0
    return values


def figures(value: float | None = 0.5) -> Figures:
    return Figures(10, 4, value, value, value, value, value, value)


def evaluation(*names: str, value: float | None = 0.5, protocol: str = "honest") -> Evaluation:
    rows = tuple((name, figures(value)) for name in names)
    return Evaluation(rows, figures(value), figures(value), protocol)
