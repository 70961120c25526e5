"""Calibration keeps its promise, says what it cannot promise, and comes back from JSON exactly."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalis.calibration import (
    Calibration,
    CalibrationSettings,
    calibrate,
)
from normalis.errors import BundleError, FitError, SettingsError

finite = st.floats(-1e6, 1e6)


def fitted(
    scores: np.ndarray, concepts: np.ndarray | None = None, *, far: float = 0.01
) -> Calibration:
    named = np.zeros(len(scores), dtype=np.int64) if concepts is None else concepts
    settings = CalibrationSettings(far=far, per_concept=concepts is not None)
    return calibrate(scores, named, settings=settings)


def concepts_of(sizes: dict[int, int]) -> np.ndarray:
    return np.repeat(list(sizes), list(sizes.values()))


# --- p-values and decisions ---


@given(held_out=st.lists(finite, min_size=1, max_size=30), score=finite)
def test_p_value_is_the_formula(held_out: list[float], score: float) -> None:
    expected = (1 + sum(h >= score for h in held_out)) / (len(held_out) + 1)
    assert fitted(np.array(held_out)).p_value(score) == expected


@given(
    held_out=st.lists(st.integers(0, 9), min_size=1, max_size=30),
    score=st.integers(-1, 10),
    far=st.floats(0.001, 0.999),
)
def test_decision_threshold_and_p_value_agree(held_out: list[int], score: int, far: float) -> None:
    calibration = fitted(np.array(held_out, dtype=np.float64), far=far)
    decision = calibration.decide(float(score))
    assert decision.is_anomaly == (score > decision.threshold)
    assert decision.is_anomaly == (decision.p_value <= decision.far_promised)
    assert decision.far_promised <= max(far + 1e-9, calibration.lowest_far())


@pytest.mark.parametrize("far", [0.05, 0.1, 0.25])
@pytest.mark.parametrize("count", [19, 30, 60])
def test_false_alarms_keep_the_promise(far: float, count: int) -> None:
    """Fresh calibration and fresh picture each time: at most far, within the binomial error."""
    generator = np.random.default_rng(count)
    trials = 2000
    alarms = 0
    for _ in range(trials):
        scores = generator.gamma(0.7, size=count + 1).round(2)  # skewed, with ties
        alarms += fitted(scores[:-1], far=far).decide(float(scores[-1])).is_anomaly
    assert alarms / trials <= far + 4 * (far * (1 - far) / trials) ** 0.5


def test_the_promise_holds_over_groups_that_score_apart() -> None:
    """A rare concept that scores high is not measured by the frequent one's scores."""
    generator = np.random.default_rng(5)
    frequent = generator.random(500) < 0.5
    trials = 1000
    alarms = np.zeros(2)
    for _ in range(trials):
        concepts = np.where(frequent, 0, generator.integers(1, 60, 500))
        scores = generator.normal(size=500) + 10 * (concepts > 0)
        calibration = fitted(scores[1:], concepts[1:], far=0.05)
        assert calibration.alone == (0,)
        alarms += [
            calibration.decide(float(generator.normal()), 0).is_anomaly,
            calibration.decide(float(generator.normal()) + 10, 77).is_anomaly,
        ]
    assert (alarms / trials <= 0.05 + 4 * (0.05 * 0.95 / trials) ** 0.5).all()
    assert (alarms > 0).all()


def test_a_rate_that_is_met_exactly_is_not_lost_to_rounding() -> None:
    """0.07 * 100 is just above 7 and 0.29 * 100 just below 29 in floating point."""
    calibration = fitted(np.arange(99.0))
    for rate, rank in [(0.01, 1), (0.07, 7), (0.29, 29)]:
        assert calibration.threshold(far=rate) == 99.0 - rank
        assert calibration.decide(0.0, far=rate).far_promised == rank / 100


def test_any_rate_has_a_threshold_even_next_to_one() -> None:
    assert fitted(np.arange(9.0)).threshold(far=1 - 1e-12) == 0.0


@pytest.mark.parametrize("far", [0.0, 1.0, -0.1, float("nan")])
def test_a_rate_outside_its_range_is_refused(far: float) -> None:
    with pytest.raises(SettingsError, match="between 0 and 1"):
        fitted(np.arange(9.0)).decide(0.0, far=far)


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        fitted(np.arange(9.0)).decide(float("nan"))


# --- what cannot be promised ---


def test_forty_pictures_promise_no_less_than_one_in_forty_one() -> None:
    calibration = fitted(np.arange(40.0))
    decision = calibration.decide(39.5)
    assert calibration.lowest_far() == 1 / 41
    assert decision.far_promised == 1 / 41
    assert decision.is_anomaly
    assert not calibration.decide(39.0).is_anomaly
    promise = "with 40 held-out pictures the lowest false-alarm rate that can be promised is 2.4 %"
    assert calibration.promise().startswith(promise)
    assert "1 % was wished for" in calibration.promise()


@pytest.mark.parametrize(
    ("count", "far", "ending"),
    [
        (1, 0.5, "promised is 50 %; decisions are made at 50 %"),
        (99, 0.01, "promised is 1 %; decisions are made at 1 %"),
        (150, 0.05, "promised is 0.66 %; decisions are made at 5 %"),
    ],
)
def test_the_promise_names_both_rates(count: int, far: float, ending: str) -> None:
    assert fitted(np.arange(float(count)), far=far).promise().endswith(ending)


# --- groups ---


@pytest.mark.parametrize(
    ("sizes", "alone"),
    [
        ({0: 8, 1: 8}, []),
        ({0: 9, 1: 8}, []),  # the others would be too few, so concept 0 joins them
        ({0: 9, 1: 9}, [0, 1]),
        ({0: 30, 1: 5, 2: 5}, [0]),
        ({0: 30, 1: 12, 2: 1}, [0]),  # the smaller one makes the others enough
        ({3: 9}, [3]),
    ],
)
def test_concepts_stand_alone_if_all_the_others_can(
    sizes: dict[int, int], alone: list[int]
) -> None:
    concepts = concepts_of(sizes)
    calibration = fitted(np.arange(float(len(concepts))), concepts, far=0.1)
    assert list(calibration.alone) == alone
    apart = sum(calibration.compared_with(concept).count for concept in alone)
    others = calibration.compared_with(99).count
    assert apart + others == len(concepts) + (apart if others == len(concepts) else 0)


def test_a_decision_names_what_it_was_compared_with() -> None:
    calibration = fitted(np.arange(40.0), concepts_of({3: 30, 4: 5, 5: 5}), far=0.1)
    assert calibration.decide(50.0, 3).group == "concept 3"
    assert calibration.decide(50.0, 4).group == "other concepts"
    assert calibration.decide(50.0, 99).group == "other concepts"
    assert calibration.decide(50.0).group == "other concepts"
    assert calibration.p_value(29.0, 3) == 2 / 31
    assert calibration.p_value(29.0, 4) == 11 / 11
    assert fitted(np.arange(40.0)).decide(50.0, 3).group == "global"


def test_a_concept_never_seen_is_compared_with_all_where_all_stand_alone() -> None:
    calibration = fitted(np.arange(40.0), concepts_of({0: 20, 1: 20}), far=0.1)
    assert calibration.decide(50.0, 7).group == "global"
    assert calibration.p_value(50.0, 7) == 1 / 41


# --- several pictures of one part ---


def repeated(generator: np.random.Generator, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of parts of which one to nine pictures were taken, all nearly alike."""
    of = np.repeat(np.arange(parts), generator.integers(1, 10, parts))
    return generator.gamma(0.7, size=parts)[of] + generator.normal(size=len(of)) / 100, of


def alarms_of_new_parts(*, told: bool, far: float) -> float:
    generator = np.random.default_rng(2)
    settings, trials = CalibrationSettings(far=far), 800
    alarms = 0
    for _ in range(trials):
        scores, of = repeated(generator, 9)
        known, groups = scores[of < 8], of[of < 8] if told else None
        made = calibrate(known, np.zeros(len(known), np.int64), settings=settings, groups=groups)
        alarms += made.decide(float(scores[of == 8][0])).is_anomaly
    return alarms / trials


def test_the_promise_holds_for_new_parts_if_it_is_told_which_pictures_show_one() -> None:
    """Eight parts promise no rate below one in nine, however many pictures there are of them."""
    error = 4 * (0.12 * 0.88 / 800) ** 0.5
    assert alarms_of_new_parts(told=True, far=0.12) <= 0.12 + error
    assert alarms_of_new_parts(told=False, far=0.03) > 0.06


def test_groups_are_counted_and_pictures_are_not() -> None:
    groups = np.repeat(np.arange(8), 5)
    calibration = calibrate(
        np.arange(40.0), np.zeros(40, np.int64), settings=CalibrationSettings(), groups=groups
    )
    assert calibration.lowest_far() == 1 / 9
    assert calibration.promise().startswith("with 40 held-out pictures of 8 groups the lowest")
    assert calibration.decide(39.0).p_value == pytest.approx((1 + 1 / 5) / 9)


def test_concepts_stand_alone_by_their_groups() -> None:
    concepts, settings = np.repeat([0, 1], 30), CalibrationSettings(far=0.1)
    groups = np.concatenate([np.arange(30), np.full(30, 99)])
    scores = np.arange(60.0)
    assert calibrate(scores, concepts, settings=settings).alone == (0, 1)
    assert calibrate(scores, concepts, settings=settings, groups=groups).alone == ()


# --- fitting, saving ---


@pytest.mark.parametrize("scores", [np.zeros(0), np.array([1.0, np.nan]), np.array([np.inf, 1.0])])
def test_scores_that_cannot_calibrate_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(FitError, match="needs at least one, all of them finite"):
        fitted(scores)


@pytest.mark.parametrize("name", ["far", "share"])
@pytest.mark.parametrize("value", [0.0, 1.0, -1.0])
def test_settings_are_rates(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"setting {name} is a rate"):
        replace(CalibrationSettings(), **{name: value})


@given(seed=st.integers(0, 2**16))
def test_json_gives_the_same_calibration_back(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=60).astype(np.float32)
    concepts, groups = generator.integers(0, 3, 60), generator.integers(0, 40, 60)
    settings = CalibrationSettings(far=0.1)
    calibration = calibrate(scores, concepts, settings=settings, groups=groups)
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


@pytest.mark.parametrize(
    "change",
    [
        {"far": 2.0},
        {"far": "0.01"},
        {"scores": []},
        {"scores": [2.0, 1.0]},
        {"scores": [1.0, float("nan")]},
        {"concepts": [0]},
        {"alone": [0]},
        {"groups": [0, 1, 2]},
        {"unknown": 1},
    ],
)
def test_an_altered_calibration_is_refused(change: dict[str, object]) -> None:
    data = {**fitted(np.array([1.0, 2.0])).to_json(), **change}
    with pytest.raises(BundleError, match="calibration is not valid"):
        Calibration.from_json(data)


def test_a_missing_key_is_refused() -> None:
    with pytest.raises(BundleError, match="scores"):
        Calibration.from_json({"far": 0.01})
