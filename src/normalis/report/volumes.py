"""Volumes as pages: a slice scroller with heat map, original, restored and difference."""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float32
from PIL import Image

from normalis.images.write import write_text
from normalis.report.overlay import overlay
from normalis.report.pages import render_page
from normalis.results import MapRange, Result

__all__ = ["VolumePages"]

_SIDE = 320  # pixels; every slice is in its page four times
_GAIN = 3.0  # a difference of a third of the grey scale is drawn as the strongest
_BARS = (600.0, 80.0)  # width and height of the drawing of scores, in its own units


@dataclass(frozen=True)
class _Slice:
    """A slice on the page: its number, score and decision, and its pictures as addresses."""

    number: int
    score: float
    is_anomaly: bool
    images: tuple[str, ...]


@dataclass(frozen=True)
class _Bar:
    """One slice in the drawing of scores."""

    number: int
    x: float
    y: float
    width: float
    height: float
    is_anomaly: bool


@dataclass(frozen=True)
class _Row:
    """One volume in the list of all."""

    name: str
    page: str
    score: float
    slices: int
    flagged: int
    highest: int


@final
class VolumePages:
    """Writes a page for each volume that needs no other file, and `index.html`, which lists them.

    Args:
        out: The folder.
        map_range: What the model's maps mean.
        promise: What the decisions about slices promise, a sentence.
    """

    def __init__(self, out: Path, map_range: MapRange, *, promise: str) -> None:
        self._out = out
        self._map_range = map_range
        self._promise = promise
        self._slices: list[_Slice] = []
        self._rows: list[_Row] = []

    def draw(self, number: int, answer: Result) -> None:
        """Draw a slice of the volume under way; they come from the lowest on.

        Args:
            number: Of the slice, counted from 0.
            answer: What the model said of it.
        """
        images = tuple(map(_address, _drawn(answer, self._map_range)))
        found = _Slice(number, answer.score, answer.decision.is_anomaly, images)
        self._slices.append(found)

    def finish(self, name: str, *, source: str, score: float, slices: Sequence[float]) -> Path:
        """Write the page of the volume whose slices have been drawn.

        Args:
            name: Of the page, without an ending.
            source: The file or folder that the volume came from, as text.
            score: Of the whole volume.
            slices: Of all its slices, those without tissue too.

        Returns:
            The page.

        Raises:
            OSError: It cannot be written.
        """
        shown, self._slices = self._slices, []
        first = max(shown, key=lambda each: each.score).number if shown else 0
        row = _Row(
            name=name,
            page=f"{name}.html",
            score=score,
            slices=len(slices),
            flagged=sum(each.is_anomaly for each in shown),
            highest=first,
        )
        values = {
            "row": row,
            "source": source,
            "shown": shown,
            # Numbers and addresses alone: nothing in it could end the element that holds it.
            "slices": json.dumps([asdict(each) for each in shown]),
            "first": [each.number for each in shown].index(first) if shown else 0,
            "bars": _bars(shown, len(slices)),
            "box": _BARS,
            "promise": self._promise,
            "panels": _PANELS[: len(shown[0].images)] if shown else (),
        }
        write_text(self._out / row.page, render_page("volume.html", values))
        self._rows.append(row)
        return self._out / row.page

    def index(self) -> Path:
        """Write the list of all volumes, the most anomalous first.

        Raises:
            OSError: It cannot be written.
        """
        rows = sorted(self._rows, key=lambda row: -row.score)
        page = render_page("volumes.html", {"rows": rows, "promise": self._promise})
        write_text(self._out / "index.html", page)
        return self._out / "index.html"


_PANELS = ("heat map", "original", "restored", "difference")


def _drawn(answer: Result, map_range: MapRange) -> list[Image.Image]:
    """The slice with its heat map, as it is, and where the method restores, restored and apart."""
    heat = overlay(answer, map_range, longest_side=_SIDE)
    before = _grey(answer.picture.pixels)
    drawn = [heat, _image(before, heat.size)]
    if answer.restored is not None:
        after = _grey(answer.restored)
        drawn += [_image(after, heat.size), _difference(np.abs(after - before), heat.size)]
    return drawn


def _grey(pixels: np.ndarray) -> Float32[np.ndarray, "h w"]:
    """In [0, 1]; original and restored on one scale, so that the eye compares them."""
    return (pixels[:, :, 0] / np.iinfo(pixels.dtype).max).astype(np.float32)


def _image(values: Float32[np.ndarray, "h w"], size: tuple[int, int]) -> Image.Image:
    grey = Image.fromarray((255 * values).round().astype(np.uint8))
    return grey.resize(size, Image.Resampling.BILINEAR)


def _difference(values: Float32[np.ndarray, "h w"], size: tuple[int, int]) -> Image.Image:
    """In colours, of one scale in all volumes."""
    import matplotlib as mpl

    colours = mpl.colormaps["inferno"](np.clip(_GAIN * values, 0, 1), bytes=True)
    return Image.fromarray(colours[:, :, :3]).resize(size, Image.Resampling.BILINEAR)


def _address(image: Image.Image) -> str:
    """A picture as an address that holds all of it."""
    stream = BytesIO()
    image.save(stream, format="WEBP", quality=70)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _bars(shown: Sequence[_Slice], count: int) -> list[_Bar]:
    """The slices' scores as bars from the lowest slice on the left."""
    width, height = _BARS
    step, high = width / max(count, 1), max((each.score for each in shown), default=0.0)
    bars: list[_Bar] = []
    for each in shown:
        tall = max(1.0, height * each.score / high) if high > 0 else 1.0
        x = each.number * step
        bars.append(_Bar(each.number, x, height - tall, 0.85 * step, tall, each.is_anomaly))
    return bars
