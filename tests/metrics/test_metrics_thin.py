"""Thinned curves: few points, all of them true, and little lost."""

import numpy as np
import pytest
from hypothesis import given
from metrics_samples import Labelled, sample, samples

from normalis.metrics import thin_precision, thin_recall


@given(case=samples())
def test_points_are_few_rising_and_of_the_curve(case: Labelled) -> None:
    curve = case.counted().curve()
    if not curve.is_defined:
        return
    corners = set(zip(*(axis.tolist() for axis in curve.corners()), strict=True))
    rate, recall = thin_recall(curve, points=20)
    assert len(rate) == len(recall) <= 20
    assert (rate[0], recall[0], rate[-1], recall[-1]) == (0.0, 0.0, 1.0, 1.0)
    assert (np.diff(rate) >= 0).all()
    assert (np.diff(recall) >= 0).all()
    assert set(zip(rate.tolist(), recall.tolist(), strict=True)) <= corners
    hits, precision = thin_precision(curve, points=20)
    assert len(hits) == len(precision) <= 20
    assert (hits[0], hits[-1]) == (0.0, 1.0)
    assert (np.diff(hits) > 0).all()
    pairs = set(zip(curve.recall().tolist(), curve.precision().tolist(), strict=True))
    assert set(zip(hits[1:].tolist(), precision[1:].tolist(), strict=True)) <= pairs


def test_the_area_survives_and_low_rates_are_dense() -> None:
    curve = sample("smooth", seed=3, size=100_000, share=0.05).counted().curve()
    rate, recall = thin_recall(curve)
    assert np.trapezoid(recall, rate) == pytest.approx(curve.area(), abs=1e-3)
    assert (rate < 0.01).sum() >= 20
    hits, precision = thin_precision(curve)
    assert np.trapezoid(precision, hits) == pytest.approx(curve.average_precision(), abs=5e-3)


def test_a_short_curve_is_kept_whole() -> None:
    case = Labelled(np.array([0.0, 1.0, 2.0]), np.array([False, True, False]), np.ones(1))
    rate, recall = thin_recall(case.counted().curve())
    assert rate.tolist() == [0.0, 0.5, 0.5, 1.0]
    assert recall.tolist() == [0.0, 0.0, 1.0, 1.0]
    hits, precision = thin_precision(case.counted().curve())
    assert (hits.tolist(), precision.tolist()) == ([0.0, 1.0], [0.5, 0.5])
