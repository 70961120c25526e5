"""Promised against measured false-alarm rates."""

from dataclasses import replace

import numpy as np
import pytest
from site_samples import sample_pictures
from sklearn.metrics import confusion_matrix

from normalis.calibration import Calibration
from normalis.report.promise import PLOTTED, decided, measured
from normalis.report.verdicts import VERDICTS, tally, verdict

PICTURES = sample_pictures(40)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1, 0.3])
def test_a_promised_rate_is_measured_as_the_calibration_would_decide(rate: float) -> None:
    """p ≤ rate is the same decision as score above the threshold at that rate."""
    generator = np.random.default_rng(3)
    calibration = Calibration(0.05, tuple(sorted(generator.normal(size=99).tolist())))
    pictures = [replace(one, p_value=calibration.p_value(one.score)) for one in PICTURES]
    normals = [one for one in pictures if not one.is_defect]
    alarms = sum(calibration.decide(one.score, far=rate).is_anomaly for one in normals)
    (seen,) = measured(pictures, [rate])
    assert (seen.alarms, seen.normals) == (alarms, len(normals))
    assert seen.interval.low <= seen.rate <= seen.interval.high


def test_measured_rates_rise_with_the_promised() -> None:
    alarms = [one.alarms for one in measured(PICTURES, PLOTTED)]
    assert alarms == sorted(alarms)
    assert alarms[-1] > 0


def test_without_good_pictures_nothing_is_measured() -> None:
    defects = [one for one in PICTURES if one.is_defect]
    assert measured(defects, PLOTTED) == ()
    assert decided(defects) is None


def test_a_rate_too_low_to_promise_is_told_as_the_lowest() -> None:
    calibration = Calibration(0.01, (1.0, 2.0, 3.0))
    rate = calibration.decide(0.0).far_promised
    seen = decided([replace(one, far_promised=rate) for one in PICTURES])
    assert seen
    assert seen.promised == calibration.lowest_far()


def test_concepts_with_rates_of_their_own_promise_their_mean_over_good_pictures() -> None:
    made = [replace(one, far_promised=0.5 if one.is_defect else 0.1) for one in PICTURES]
    normals = [index for index, one in enumerate(made) if not one.is_defect]
    for index in normals[: len(normals) // 4]:
        made[index] = replace(made[index], far_promised=0.02)
    share = (len(normals) // 4) / len(normals)
    seen = decided(made)
    assert seen
    assert seen.promised == pytest.approx(share * 0.02 + (1 - share) * 0.1)


def test_verdicts_count_as_a_confusion_matrix_does() -> None:
    truth = [one.is_defect for one in PICTURES]
    called = [one.is_anomaly for one in PICTURES]
    (passed, alarms), (missed, found) = confusion_matrix(truth, called).tolist()
    names = [verdict(one) for one in PICTURES]
    assert [names.count(name) for name in VERDICTS] == [missed, alarms, found, passed]
    seen = tally(PICTURES)
    assert (seen.misses, seen.false_alarms) == (missed, alarms)
