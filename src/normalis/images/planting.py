"""Made defects: what a model can be tried on before the first real one has been seen.

A defect is planted at a place of the product that the picture itself and a generator choose; the
place depends on neither size nor contrast, so that a larger defect covers a smaller one. All else
of the picture stays as it is, to the bit.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32
from scipy import ndimage

from normalis.errors import SettingsError
from normalis.images.decode import Picture
from normalis.images.ground import Ground

__all__ = ["KINDS", "WHOLE_KINDS", "Defect", "Planted", "plant"]

KINDS = ("dark spot", "bright spot", "scratch", "cut-paste", "colour shift", "missing part")
"""What can be planted."""

WHOLE_KINDS = ("cut-paste", "missing part")
"""Kinds that replace what was there: their contrast is their opacity, in nature always 1."""

_STEEP = 1.0  # pixels over which the hardest edge fades: what a lens makes of it


@dataclass(frozen=True)
class Defect:
    """What is planted.

    Attributes:
        kind: One of `KINDS`. "dark spot" and "bright spot" are soft blobs; "scratch" is a line,
            bright on dark and dark on bright; "cut-paste" is a patch of another place of the
            picture, turned; "colour shift" is a stain that moves the channels apart (on grey
            pictures it moves the brightness); "missing part" is filled with the ground, or
            else with its surroundings, smoothly.
        size: Pixels of the original, above 0: the diameter at half depth; of a scratch the length,
            its width being a twentieth of that and at least 1.
        contrast: In [0, 1]: the share of the picture's own range by which samples change, as far
            as its darkest and brightest allow; of `WHOLE_KINDS` the opacity.
    """

    kind: str
    size: float
    contrast: float

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingsError(
                f'There is no defect "{self.kind}" to plant; {", ".join(KINDS)} are allowed.'
            )
        if not 0.0 < self.size < math.inf:
            raise SettingsError(f"A defect of {self.size} px cannot be planted; give more than 0.")
        if not 0.0 <= self.contrast <= 1.0:
            raise SettingsError(f"A defect's contrast is {self.contrast}; 0 to 1 are allowed.")


@dataclass(frozen=True)
class Planted:
    """A picture with a defect.

    Attributes:
        picture: Of the same size, depth and mode as the picture it was made from.
        mask: HW bool, original pixels; where the defect lies. Outside of it nothing changed.
    """

    picture: Picture
    mask: Bool[np.ndarray, "h w"]


def plant(
    picture: Picture, defect: Defect, *, ground: Ground, generator: np.random.Generator
) -> Planted:
    """Plant a defect on the product that a picture shows.

    Spots choose places that leave room for their contrast; parts
    go missing at the product's rim, or where there is structure.

    Args:
        picture: A normal picture, of any size, 8 or 16 bits.
        defect: What to plant.
        ground: What `look_coarsely` says of the picture; the same for all its defects.
        generator: Chooses place and shape; one of the same seed chooses the same.
    """
    site = _Site.choose(ground, defect.kind, picture=picture, generator=generator)
    rows, columns = _window(picture, site, reach=_reach(defect))
    depth = _depth(defect, site, rows=rows - site.row, columns=columns - site.column)
    area = np.s_[rows[0, 0] : rows[-1, 0] + 1, columns[0, 0] : columns[0, -1] + 1]
    # The three channels of a deep grey picture are one array: one is changed and seen three times.
    planes = picture.pixels if picture.pixels.dtype == np.uint8 else picture.pixels[:, :, :1]
    old = planes[area].astype(np.float32)
    if defect.kind == "cut-paste":
        changed = old + defect.contrast * (_patch(old, site, planes) - old)
    elif defect.kind == "missing part":
        product = ground.product[rows // ground.step, columns // ground.step]
        changed = old + defect.contrast * (_fill(old, depth, product, size=defect.size) - old)
    else:
        changed = _shifted(old, defect, site=site, ground=ground)
    pixels = planes.copy()
    pixels[area] = np.rint(old + depth[:, :, None] * (changed - old)).astype(pixels.dtype)
    mask = np.zeros(pixels.shape[:2], dtype=bool)
    mask[area] = depth > 0
    pixels = np.broadcast_to(pixels, picture.pixels.shape).view()
    pixels.flags.writeable = False
    return Planted(replace(picture, pixels=pixels), mask)


@dataclass(frozen=True)
class _Site:
    """Where a defect lies, and all that chance decides of its shape; numbers in [0, 1)."""

    row: int
    column: int
    other_row: int
    other_column: int
    chances: tuple[float, ...]

    @staticmethod
    def choose(
        ground: Ground, kind: str, *, picture: Picture, generator: np.random.Generator
    ) -> "_Site":
        """Draw a place by the kind's weights, and the farthest of some others to copy from."""
        weights = _weights(ground, kind)
        row, column = _draw(weights, ground, picture=picture, generator=generator)
        others = [
            _draw(ground.product.astype(np.float64), ground, picture=picture, generator=generator)
            for _ in range(8)
        ]
        other = max(others, key=lambda place: math.dist(place, (row, column)))
        return _Site(row, column, *other, chances=tuple(generator.random(3).tolist()))


def _weights(ground: Ground, kind: str) -> np.ndarray:
    """How likely a place is: on the product, and where this kind of defect can be seen."""
    brightness = ground.samples.mean(axis=2, dtype=np.float64)
    weights = ground.product.astype(np.float64)
    if kind == "dark spot":
        weights *= np.clip(brightness - ground.low, 0.0, None)
    elif kind == "bright spot":
        weights *= np.clip(ground.high - brightness, 0.0, None)
    elif kind == "missing part" and not ground.product.all():
        weights -= ndimage.binary_erosion(ground.product, iterations=2, border_value=1)
    elif kind == "missing part":
        broad = ndimage.gaussian_filter(brightness, max(1.0, min(brightness.shape) / 20))
        weights *= ndimage.uniform_filter(np.abs(brightness - broad), 5)
    return weights if weights.sum() > 0 else np.ones_like(weights)


def _draw(
    weights: np.ndarray, ground: Ground, *, picture: Picture, generator: np.random.Generator
) -> tuple[int, int]:
    """Row and column of a pixel of the original, by the weights of the coarse picture."""
    flat = generator.choice(weights.size, p=(weights / weights.sum()).ravel())
    row, column = np.unravel_index(flat, weights.shape)
    down, right = generator.integers(0, ground.step, 2)
    return (
        min(int(row) * ground.step + int(down), picture.height - 1),
        min(int(column) * ground.step + int(right), picture.width - 1),
    )


def _window(picture: Picture, site: _Site, *, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column numbers of the pixels that a defect may touch, as an open grid."""
    rows = np.arange(max(0, site.row - reach), min(picture.height, site.row + reach + 1))
    columns = np.arange(max(0, site.column - reach), min(picture.width, site.column + reach + 1))
    return rows[:, None], columns[None, :]


def _reach(defect: Defect) -> int:
    """No pixel farther than this from the place is changed."""
    return math.ceil(defect.size) + 2


def _depth(
    defect: Defect, site: _Site, *, rows: np.ndarray, columns: np.ndarray
) -> Float32[np.ndarray, "h w"]:
    """How far each pixel is changed, 0 to 1; the defect's edge is where it is one half."""
    if defect.kind == "scratch":
        inside = max(1.0, defect.size / 20) / 2 - _line_distance(defect, site, rows, columns)
        softness = _STEEP
    else:
        inside = defect.size / 2 - _wobbling_distance(site, rows, columns)
        share = {"cut-paste": 0.0, "missing part": 0.1, "colour shift": 0.25}
        softness = max(_STEEP, share.get(defect.kind, 0.15) * defect.size)
    return np.clip(0.5 + inside / softness, 0.0, 1.0).astype(np.float32)


def _wobbling_distance(site: _Site, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Distance from the place in a metric whose circles are uneven, as spots are."""
    turns = 2 * math.pi * np.array(site.chances)
    angle = np.arctan2(rows, columns)
    wobble = 0.12 * np.cos(2 * angle + turns[0]) + 0.06 * np.cos(3 * angle + turns[1])
    return np.hypot(rows, columns) / (1.0 + wobble)


def _line_distance(
    defect: Defect, site: _Site, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Distance from a line through the place."""
    angle = 2 * math.pi * site.chances[0]
    along = np.cos(angle) * columns + np.sin(angle) * rows
    across = np.cos(angle) * rows - np.sin(angle) * columns
    return np.hypot(across, np.clip(np.abs(along) - defect.size / 2, 0.0, None))


def _shifted(
    old: Float32[np.ndarray, "h w c"], defect: Defect, *, site: _Site, ground: Ground
) -> Float32[np.ndarray, "h w c"]:
    """All samples moved by the contrast, as far as the picture's range allows."""
    steps = _direction(defect.kind, site, ground=ground, channels=old.shape[2])
    shifted = old + np.float32(defect.contrast * ground.span) * steps
    # A sample that lies outside the range already may come back to it, but never leaves it more.
    return np.clip(shifted, np.minimum(old, ground.low), np.maximum(old, ground.high))


def _direction(
    kind: str, site: _Site, *, ground: Ground, channels: int
) -> Float32[np.ndarray, " c"]:
    """By how much of the range each channel moves at full contrast."""
    here = ground.samples[site.row // ground.step, site.column // ground.step]
    if kind == "colour shift":
        up = 0.5 if here.mean() < (ground.low + ground.high) / 2 else -0.5
        if ground.is_grey:
            return np.full(channels, up, np.float32)
        return np.roll(np.array([up, 0.0, -up], np.float32), int(3 * site.chances[2]))
    is_dark = here.mean() < (ground.low + ground.high) / 2
    up = {"dark spot": -1.0, "bright spot": 1.0}.get(kind, 1.0 if is_dark else -1.0)
    return np.full(channels, up, np.float32)


def _patch(
    old: Float32[np.ndarray, "h w c"], site: _Site, planes: np.ndarray
) -> Float32[np.ndarray, "h w c"]:
    """As large a window around the other place, turned by one to three quarters."""
    side = max(old.shape[:2])
    rows, columns = np.ogrid[:side, :side]
    top, left = (
        max(0, min(place - side // 2, whole - side))
        for place, whole in zip((site.other_row, site.other_column), planes.shape[:2], strict=True)
    )
    square = planes[
        np.minimum(top + rows, planes.shape[0] - 1), np.minimum(left + columns, planes.shape[1] - 1)
    ]
    turned = np.rot90(square, 1 + int(3 * site.chances[2]))
    return turned[: old.shape[0], : old.shape[1]].astype(np.float32)


def _fill(
    old: Float32[np.ndarray, "h w c"],
    depth: Float32[np.ndarray, "h w"],
    product: Bool[np.ndarray, "h w"],
    *,
    size: float,
) -> Float32[np.ndarray, "h w c"]:
    """The ground's colours, or without any here the surroundings', spread over the defect."""
    outside = depth == 0
    given = (outside if product[outside].all() else outside & ~product)[:, :, None]
    spread = np.concatenate([old * given, given.astype(np.float32)], axis=2)
    width = max(3, round(min(0.6 * size, 2 * max(depth.shape))))
    for _ in range(3):  # three boxes in a row are nearly a Gaussian, at a cost free of their size
        spread = ndimage.uniform_filter(spread, width, axes=(0, 1))
    # Where the defect covers its whole surroundings there is no colour but the mean.
    share, little = spread[:, :, -1:], np.float32(1e-6)
    return (spread[:, :, :-1] + little * old.mean(axis=(0, 1))) / (share + little)
