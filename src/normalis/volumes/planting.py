"""Planted anomalies: spheres and patches of foreign intensity or texture in healthy volumes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64

__all__ = ["Form", "Kind", "PlantedVolume", "plant_volume"]

Kind = Literal["bright", "dark", "noise", "shifted"]
Form = Literal["sphere", "patch"]

LEAST_TISSUE = 0.6  # share of a sphere or patch that shows tissue


@dataclass(frozen=True)
class PlantedVolume:
    """A volume with one anomaly planted.

    Attributes:
        values: float32 `x y z`.
        mask: The sphere or patch.
        kind: What was planted: a uniform value beyond the brightest or the darkest tissue, noise of
            the tissue's mean and spread, or tissue from elsewhere.
    """

    values: Float32[np.ndarray, "x y z"]
    mask: Bool[np.ndarray, "x y z"]
    kind: Kind


def plant_volume(
    values: Float32[np.ndarray, "x y z"],
    kind: Kind,
    *,
    radius: float,
    seed: int,
    form: Form = "sphere",
) -> PlantedVolume:
    """Plant one anomaly in tissue; the same seed gives the same.

    Args:
        values: A normalised healthy volume: background is 0.
        kind: See `PlantedVolume`.
        radius: In voxels, of a patch half of its longest side; it is halved until the anomaly fits
            into the tissue.
        seed: Of the place and of the noise.
        form: A sphere, or a box of uneven sides.

    References:
        As the toy set of the MOOD challenge is made (METHODS §3.4).
    """
    chance = np.random.default_rng(seed)
    tissue = values != 0
    assert tissue.any(), "a volume to plant in shows tissue"
    mask = _placed(tissue, radius, chance, form=form)
    planted = values.copy()
    inside = values[tissue]
    low, high = np.quantile(inside, [0.01, 0.99])
    if kind == "bright":
        planted[mask] = high + (high - low) * chance.uniform(0.1, 0.5)
    elif kind == "dark":
        planted[mask] = low - (high - low) * chance.uniform(0.1, 0.5)
    elif kind == "noise":
        planted[mask] = chance.normal(inside.mean(), inside.std(), int(mask.sum()))
    else:
        shift = [size // 3 for size in values.shape]
        planted[mask] = np.roll(values, shift, axis=(0, 1, 2))[mask]
    return PlantedVolume(planted.astype(np.float32), mask, kind)


def _placed(
    tissue: Bool[np.ndarray, "x y z"], radius: float, chance: np.random.Generator, *, form: Form
) -> Bool[np.ndarray, "x y z"]:
    """A sphere or patch around a voxel of tissue that lies mostly in tissue."""
    places = np.argwhere(tissue)
    halves = chance.uniform(0.4, 1.0, 3) if form == "patch" else None
    axes = np.ogrid[tuple(slice(0, size) for size in tissue.shape)]
    while radius > 1:
        for _ in range(50):
            centre = places[chance.integers(len(places))]
            offsets = [axis - at for axis, at in zip(axes, centre, strict=True)]
            mask = _around(offsets, radius, halves)
            if tissue[mask].mean() >= LEAST_TISSUE:
                return mask
        radius /= 2
    mask = np.zeros_like(tissue)
    mask[tuple(places[chance.integers(len(places))])] = True
    return mask


def _around(
    offsets: list[np.ndarray], radius: float, halves: Float64[np.ndarray, "3"] | None
) -> Bool[np.ndarray, "x y z"]:
    """The voxels within a sphere, or within a box of these half sides in shares of the radius."""
    if halves is None:
        return np.asarray(sum(offset**2 for offset in offsets) <= radius**2)
    x, y, z = (
        np.abs(offset) <= share * radius for offset, share in zip(offsets, halves, strict=True)
    )
    return x & y & z
