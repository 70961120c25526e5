"""Planted anomalies: spheres of foreign intensity or texture in healthy volumes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32

__all__ = ["Kind", "PlantedVolume", "plant_volume"]

Kind = Literal["bright", "dark", "noise", "shifted"]

LEAST_TISSUE = 0.6  # share of a sphere that shows tissue


@dataclass(frozen=True)
class PlantedVolume:
    """A volume with one sphere planted.

    Attributes:
        values: float32 `x y z`.
        mask: The sphere.
        kind: What was planted: a uniform value beyond the brightest or the darkest tissue, noise of
            the tissue's mean and spread, or tissue from elsewhere.
    """

    values: Float32[np.ndarray, "x y z"]
    mask: Bool[np.ndarray, "x y z"]
    kind: Kind


def plant_volume(
    values: Float32[np.ndarray, "x y z"], kind: Kind, *, radius: float, seed: int
) -> PlantedVolume:
    """Plant one sphere in tissue; the same seed gives the same sphere.

    Args:
        values: A normalised healthy volume: background is 0.
        kind: See `PlantedVolume`.
        radius: In voxels; it is halved until a sphere fits into the tissue.
        seed: Of the place and of the noise.

    References:
        As the toy set of the MOOD challenge is made (METHODS §3.4).
    """
    chance = np.random.default_rng(seed)
    tissue = values != 0
    assert tissue.any(), "a volume to plant in shows tissue"
    mask = _sphere(tissue, radius, chance)
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


def _sphere(
    tissue: Bool[np.ndarray, "x y z"], radius: float, chance: np.random.Generator
) -> Bool[np.ndarray, "x y z"]:
    """A sphere around a voxel of tissue that lies mostly in tissue."""
    places = np.argwhere(tissue)
    axes = np.ogrid[tuple(slice(0, size) for size in tissue.shape)]
    while radius > 1:
        for _ in range(50):
            centre = places[chance.integers(len(places))]
            distance = sum((axis - at) ** 2 for axis, at in zip(axes, centre, strict=True))
            mask = np.asarray(distance <= radius**2)
            if tissue[mask].mean() >= LEAST_TISSUE:
                return mask
        radius /= 2
    mask = np.zeros_like(tissue)
    mask[tuple(places[chance.integers(len(places))])] = True
    return mask
