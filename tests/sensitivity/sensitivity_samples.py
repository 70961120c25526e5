"""A scorer that catches by the size of what changed, and good pictures to plant on."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32
from PIL import Image

from normalis.answering import AbstractScorer, Measured
from normalis.calibration import Calibration
from normalis.errors import ImageError
from normalis.images.decode import Picture, read_picture
from normalis.images.regions import hot_box, peak
from normalis.results import MapRange, Result, Skipped
from normalis.sensitivity.measure import HeldOut

SIDE = 100


def write_good(path: Path, *, alarming: bool = False) -> Path:
    """White on the right and black on the left; one that alarms has a dark block in its corner."""
    pixels = np.full((SIDE, 2 * SIDE, 3), 255, np.uint8)
    pixels[:, :20] = 0
    if alarming:
        pixels[: SIDE // 2, SIDE:] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def held_out(
    path: Path,
    product: str | None = "bolt",
    use: Literal["never seen", "validation", "calibration"] = "never seen",
) -> HeldOut:
    return HeldOut(path, path.name, product, use)


def good_pictures(folder: Path, count: int, *, product: str | None = "bolt") -> list[HeldOut]:
    return [held_out(write_good(folder / f"{i:03}.png"), product) for i in range(count)]


class SizeScorer(AbstractScorer):
    """Calls a picture anomalous where the dark on its white part is wider than this."""

    def __init__(self, catches: float = 0.0, *, held_out: int = 99, concepts: int = 1) -> None:
        self.calibration = Calibration(0.05, (0.0,) * held_out)
        self.map_range = MapRange(low=0.0, high=200.0)
        self.catches = catches
        self.concepts = concepts
        self.rates: set[float | None] = set()
        self.seen = 0

    def score(
        self,
        paths: Iterable[Path | str],
        *,
        far: float | None = None,
        strict: bool = False,
        paper: bool = False,
        workers: int | None = 0,
        positions: Mapping[Path, float] | None = None,
    ) -> Iterator[Result | Skipped]:
        for path in map(Path, paths):
            try:
                yield self.judge(path, read_picture(path), far)
            except ImageError as error:
                yield Skipped(path, str(error))

    def score_pictures(
        self, pictures: Iterable[Picture], *, far: float | None = None
    ) -> Iterator[Result]:
        for picture in pictures:
            self.seen += 1
            yield self.judge(Path(), picture, far)

    def measure(
        self,
        pixels: Float32[np.ndarray, "b 3 h w"],
        *,
        paper: bool = False,
        position: Float32[np.ndarray, " b"] | None = None,
    ) -> Measured:
        raise NotImplementedError

    def judge(self, path: Path, picture: Picture, far: float | None) -> Result:
        self.rates.add(far)
        values = 255 - picture.pixels.min(axis=2).astype(np.float32)
        values[:, :20] = 0
        diameter = 2 * np.sqrt((values > 127).sum() / np.pi)
        score = float(diameter - self.catches) if diameter else -2.0
        concept = int(path.stem or 0) % self.concepts
        decision = self.calibration.decide(score, concept, far=far)
        box = hot_box(values, self.map_range.high)
        return Result(path, picture, values, score, decision, concept, peak(values), box)
