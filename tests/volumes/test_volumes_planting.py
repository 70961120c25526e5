"""Preparation, slices' positions, and planted anomalies."""

import numpy as np
import pytest

from normalis.volumes import normalised, plant_volume, slice_positions
from normalis.volumes.planting import Kind

KINDS: tuple[Kind, ...] = ("bright", "dark", "noise", "shifted")


def head() -> np.ndarray:
    """A textured ball in empty space, normalised."""
    x, y, z = np.ogrid[:30, :30, :20]
    inside = (x - 15) ** 2 + (y - 15) ** 2 + (2 * z - 20) ** 2 < 13**2
    texture = 100 + 20 * np.random.default_rng(0).normal(size=inside.shape)
    return normalised((texture * inside).astype(np.float32))


def test_tissue_is_standardised_and_background_stays() -> None:
    values = head()
    tissue = values[values != 0]
    assert tissue.mean() == pytest.approx(0, abs=1e-3)
    assert tissue.std() == pytest.approx(1, rel=1e-3)
    assert values[0, 0, 0] == 0
    assert not normalised(np.zeros((3, 3, 3), np.float32)).any()


def test_the_scanners_scale_does_not_matter() -> None:
    values = np.abs(head()) + 5 * (head() != 0)
    first = normalised(values.astype(np.float32))
    second = normalised((values * 7).astype(np.float32))
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_slices_lie_between_minus_and_plus_a_half() -> None:
    assert slice_positions(5).tolist() == [-0.5, -0.25, 0.0, 0.25, 0.5]


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_sphere_changes(kind: Kind) -> None:
    values = head()
    planted = plant_volume(values, kind, radius=4.0, seed=3)
    assert (planted.values == values)[~planted.mask].all()
    assert (planted.values != values)[planted.mask].mean() > 0.9
    assert (values != 0)[planted.mask].mean() >= 0.6
    assert 100 < planted.mask.sum() < 4 / 3 * np.pi * 4.5**3


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_sphere(kind: Kind) -> None:
    first, again, other = (plant_volume(head(), kind, radius=4.0, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.values, again.values)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert (first.mask != other.mask).any()


def test_a_patch_is_a_box() -> None:
    """Where the mask begins and ends along each axis, it is whole in between."""
    values = head()
    planted = plant_volume(values, "noise", radius=5.0, seed=1, form="patch")
    places = np.argwhere(planted.mask)
    sides = places.max(0) - places.min(0) + 1
    assert planted.mask.sum() == sides.prod()
    assert len(set(sides.tolist())) > 1
    assert (planted.values == values)[~planted.mask].all()


def test_a_sphere_too_large_for_the_tissue_shrinks() -> None:
    planted = plant_volume(head(), "bright", radius=200.0, seed=0)
    assert planted.mask.sum() < (head() != 0).sum()
