"""P-values of groups keep the formula, and thresholds agree with them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalis.metrics.conformal import HeldOut, can_promise

GROUPED = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=30)


def held_out(pairs: list[tuple[int, int]]) -> HeldOut:
    rising = sorted(pairs)
    scores, groups = (np.array(column) for column in zip(*rising, strict=True))
    return HeldOut(scores.astype(np.float64), groups)


@given(pairs=GROUPED, score=st.integers(-1, 10))
def test_p_value_is_the_mean_over_groups(pairs: list[tuple[int, int]], score: int) -> None:
    groups = {group for _, group in pairs}
    shares = [np.mean([s >= score for s, g in pairs if g == group]) for group in groups]
    expected = (1 + sum(shares)) / (len(groups) + 1)
    assert held_out(pairs).p_value(float(score)) == pytest.approx(expected)


@given(pairs=GROUPED, score=st.integers(-1, 10), rate=st.floats(0.001, 0.999))
def test_threshold_and_p_value_agree(pairs: list[tuple[int, int]], score: int, rate: float) -> None:
    made = held_out(pairs)
    promised = made.promised(rate)
    assert (score > made.threshold(rate)) == (made.p_value(float(score)) <= promised)
    assert promised <= max(rate + 1e-9, made.lowest_rate)
    assert can_promise(made.lowest_rate, made.count)
    assert not can_promise(made.lowest_rate * 0.99, made.count)


@given(scores=st.lists(st.integers(0, 9), min_size=1, max_size=30), rate=st.floats(0.001, 0.999))
def test_groups_of_one_are_no_groups(scores: list[int], rate: float) -> None:
    rising = np.sort(np.array(scores, dtype=np.float64))
    alone, grouped = HeldOut(rising), HeldOut(rising, 7 + np.arange(len(scores)))
    assert alone.count == grouped.count == len(scores)
    for one in (alone, grouped):
        assert one.p_value(5.0) == (1 + sum(s >= 5 for s in scores)) / (len(scores) + 1)
    assert alone.threshold(rate) == grouped.threshold(rate)


def test_the_more_is_allowed_the_lower_the_threshold() -> None:
    made = HeldOut(np.arange(30.0), np.arange(30) % 7)
    rates = np.linspace(0.01, 0.99, 50)
    thresholds = [made.threshold(rate) for rate in rates]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[0] == 29.0
    assert thresholds[-1] < 3.0
