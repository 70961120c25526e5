"""The curve itself: weights, limits and what it refuses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_samples import Labelled, samples
from sklearn.metrics import roc_curve

from normalis.metrics import ranking_curve


@given(case=samples())
def test_corners_are_those_of_scikit_learn(case: Labelled) -> None:
    if not 0 < case.truth.sum() < len(case.truth) or not np.isfinite(case.scores).all():
        return
    rate, recall = case.counted().curve().corners()
    false, true, _ = roc_curve(case.truth, case.scores, drop_intermediate=False)
    # Between corners of one anomalous score to the next the curve is flat.
    assert set(zip(rate.tolist(), recall.tolist(), strict=True)) <= set(
        zip(false.tolist(), true.tolist(), strict=True)
    ) | {(0.0, 0.0)}


def test_integer_weights_are_repetitions() -> None:
    normal = np.array([0.0, 1.0, 2.0, 3.0])
    values, repeats = np.array([0.5, 1.0, 3.5]), np.array([1, 3, 2])
    weighted = ranking_curve(normal, values, weights=repeats.astype(np.float64))
    repeated = ranking_curve(normal, np.repeat(values, repeats))
    assert weighted.area() == repeated.area()
    assert weighted.average_precision() == repeated.average_precision()
    assert weighted.iou_max() == repeated.iou_max()


def test_area_up_to_a_limit_inside_a_slope_is_interpolated() -> None:
    """All scores tie: the curve is the diagonal, whose mean height up to L is L / 2."""
    curve = ranking_curve(np.zeros(4), np.zeros(2))
    assert curve.area(limit=0.3) == pytest.approx(0.15)


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.5, float("nan")])
def test_a_limit_outside_its_range_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        ranking_curve(np.zeros(1), np.ones(1)).area(limit=limit)


@given(place=st.integers(0, 4))
def test_nan_is_refused_wherever_it_is(place: int) -> None:
    scores = np.arange(5.0)
    scores[place] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        ranking_curve(scores[:3], scores[3:])
