"""Decisions against the truth: counts, rates and their intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from normalis.metrics import AlarmRates, alarm_rates, alarm_rates_at, clopper_pearson


@given(seed=st.integers(0, 2**16), size=st.integers(0, 50))
def test_equals_scikit_learn_and_adds_up(seed: int, size: int) -> None:
    generator = np.random.default_rng(seed)
    alarm, truth = generator.random(size) < 0.4, generator.random(size) < 0.6
    rates = alarm_rates(alarm, truth)
    if size:
        (right, false), (missed, found) = confusion_matrix(truth, alarm, labels=[False, True])
        assert rates == AlarmRates(int(false), int(right + false), int(missed), int(missed + found))
    half = size // 2
    assert (
        alarm_rates(alarm[:half], truth[:half]) + alarm_rates(alarm[half:], truth[half:]) == rates
    )


def test_a_score_at_the_threshold_is_an_alarm() -> None:
    scores, truth = np.array([0.0, 1.0, 2.0, 1.0]), np.array([False, False, True, True])
    assert alarm_rates_at(scores, truth, threshold=1.0) == AlarmRates(1, 2, 0, 2)
    assert alarm_rates_at(scores, truth, threshold=1.5) == AlarmRates(0, 2, 1, 2)
    assert alarm_rates_at(scores, truth, threshold=-np.inf) == AlarmRates(2, 2, 0, 2)


def test_rates_and_intervals() -> None:
    rates = AlarmRates(false_alarms=1, normals=50, misses=3, defects=12)
    assert (rates.false_alarm_rate, rates.miss_rate) == (0.02, 0.25)
    assert rates.false_alarm_interval() == clopper_pearson(1, 50)
    assert rates.miss_interval(confidence=0.5) == clopper_pearson(3, 12, confidence=0.5)


def test_without_items_a_rate_is_undefined_and_its_interval_is_everything() -> None:
    rates = alarm_rates(np.zeros(0, dtype=bool), np.zeros(0, dtype=bool))
    assert rates.false_alarm_rate is rates.miss_rate is None
    assert rates.miss_interval().width == rates.false_alarm_interval().width == 1.0


def test_nan_is_refused() -> None:
    truth = np.array([True])
    with pytest.raises(ValueError, match="NaN"):
        alarm_rates_at(np.array([np.nan]), truth, threshold=0.0)
    with pytest.raises(ValueError, match="NaN"):
        alarm_rates_at(np.array([0.0]), truth, threshold=float("nan"))
