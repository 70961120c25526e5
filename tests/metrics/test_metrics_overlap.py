"""AUPRO against a direct one that walks the thresholds, and its laws."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from normalis.metrics import aupro, region_recall, region_weights


def direct_aupro(maps: list[np.ndarray], masks: list[np.ndarray], limit: float) -> float:
    """Threshold by threshold, region by region; trapezia cut at the limit."""
    regions: list[np.ndarray] = []
    for values, mask in zip(maps, masks, strict=True):
        labels = np.zeros(mask.shape, dtype=np.int32)
        ndimage.label(mask, structure=np.ones((3, 3)), output=labels)
        regions += [values[labels == k] for k in range(1, labels.max() + 1)]
    normal = np.concatenate([v[~m] for v, m in zip(maps, masks, strict=True)])
    points = [(0.0, 0.0)]
    for threshold in np.unique(np.concatenate([v.ravel() for v in maps]))[::-1]:
        overlap = np.mean([np.mean(region >= threshold) for region in regions])
        points.append((float(np.mean(normal >= threshold)), float(overlap)))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 < x1 and x0 < limit:
            width = min(x1, limit) - x0
            end = y0 + (y1 - y0) * width / (x1 - x0)
            area += width * (y0 + end) / 2
    return area / limit


def some_pictures(seed: int, *, levels: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Three small pictures of different size, with blobs, and maps of a few tied levels."""
    generator = np.random.default_rng(seed)
    shapes = [(6, 7), (5, 9), (8, 4)]
    masks = [generator.random(shape) < p for shape, p in zip(shapes, (0.25, 0.1, 0), strict=True)]
    masks[0][2:4, 2:5] = True
    maps = [
        (generator.integers(0, levels, m.shape) + m * levels // 3).astype(np.float32) for m in masks
    ]
    return maps, masks


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("levels", [2, 6, 1000])
@given(seed=st.integers(0, 2**16))
def test_equals_the_direct_form(limit: float, levels: int, seed: int) -> None:
    maps, masks = some_pictures(seed, levels=levels)
    expected = direct_aupro(maps, masks, limit)
    assert aupro(maps, masks, fpr_limit=limit) == pytest.approx(expected, abs=1e-12)


@given(seed=st.integers(0, 2**16))
def test_order_and_monotone_maps_change_nothing(seed: int) -> None:
    maps, masks = some_pictures(seed, levels=9)
    warped = [np.exp(values / 3.0) for values in maps]
    expected = pytest.approx(aupro(maps, masks), abs=1e-12)
    assert aupro(maps[::-1], masks[::-1]) == expected
    assert aupro(warped, masks) == expected


def test_region_recall_at_a_threshold_is_the_mean_share_found() -> None:
    mask = np.zeros((4, 4), dtype=bool)
    mask[0, :2] = mask[2:, 2:] = True
    values = np.where(mask, 0.0, -1.0)
    values[0, 0] = 2.0
    values[2, 2] = 1.0
    curve = region_recall([values], [mask])
    np.testing.assert_array_equal(curve.thresholds, [2.0, 1.0, 0.0])
    np.testing.assert_allclose(curve.recall(), [1 / 4, 3 / 8, 1.0])


def test_every_region_counts_alike_whatever_its_size() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[:4, :4] = True
    mask[7, 7] = True
    found_large, found_small = np.zeros((8, 8)), np.zeros((8, 8))
    found_large[:4, :4] = 1.0
    found_small[7, 7] = 1.0
    assert aupro([found_large], [mask]) == pytest.approx(aupro([found_small], [mask]))


def test_diagonal_neighbours_are_one_region() -> None:
    weights = region_weights(np.eye(4, dtype=bool))
    np.testing.assert_array_equal(weights, np.full(4, 0.25))


def test_the_mask_itself_is_a_perfect_map() -> None:
    mask = np.zeros((5, 5), dtype=bool)
    mask[1, 1] = True
    assert aupro([mask.astype(np.float64)], [mask]) == 1.0


@pytest.mark.parametrize("mask", [np.zeros((3, 3), dtype=bool), np.ones((3, 3), dtype=bool)])
def test_undefined_without_a_defect_or_without_a_normal_pixel(mask: np.ndarray) -> None:
    assert aupro([np.ones((3, 3))], [mask]) is None


def test_no_picture_is_undefined() -> None:
    assert aupro([], []) is None


def test_nan_is_refused() -> None:
    mask = np.eye(3, dtype=bool)
    for place in [(0, 0), (0, 1)]:
        values = np.zeros((3, 3))
        values[place] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            aupro([values], [mask])


@pytest.mark.parametrize("masks", [[], [np.zeros((3, 4), dtype=bool)]])
def test_maps_and_masks_must_match(masks: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="one to one"):
        aupro([np.zeros((3, 3))], masks)
