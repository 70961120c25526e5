"""The curve may be built from parts: counts add up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalis.metrics import ranking_curve


@given(cuts=st.lists(st.integers(0, 60), max_size=4), seed=st.integers(0, 2**16))
def test_parts_give_the_curve_of_the_whole(cuts: list[int], seed: int) -> None:
    generator = np.random.default_rng(seed)
    normal = generator.integers(0, 20, 60).astype(np.float32)
    anomalous = generator.integers(5, 25, 30).astype(np.float32)
    whole = ranking_curve([np.sort(normal)], anomalous)
    parts = ranking_curve([np.sort(p) for p in np.split(normal, sorted(cuts))], anomalous)
    for name in ("thresholds", "true_at", "false_above", "false_at"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert parts.normals == whole.normals == 60


def test_integer_weights_are_repetitions() -> None:
    normal = [np.array([0.0, 1.0, 2.0, 3.0])]
    values, repeats = np.array([0.5, 1.0, 3.5]), np.array([1, 3, 2])
    weighted = ranking_curve(normal, values, weights=repeats.astype(np.float64))
    repeated = ranking_curve(normal, np.repeat(values, repeats))
    assert weighted.area() == repeated.area()
    assert weighted.average_precision() == repeated.average_precision()


def test_area_up_to_a_limit_inside_a_slope_is_interpolated() -> None:
    """All scores tie: the curve is the diagonal, whose mean height up to L is L / 2."""
    curve = ranking_curve([np.zeros(4)], np.zeros(2))
    assert curve.area(limit=0.3) == pytest.approx(0.15)


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.5, float("nan")])
def test_a_limit_outside_its_range_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        ranking_curve([np.zeros(1)], np.ones(1)).area(limit=limit)


def test_nan_in_any_part_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        ranking_curve([np.zeros(2), np.sort(np.array([1.0, np.nan]))], np.ones(1))
