"""Intervals against scipy's, and by their promise: they cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from normalis.metrics import auroc, bootstrap_auroc, clopper_pearson

# --- rates ---


@given(
    total=st.integers(1, 2000),
    share=st.floats(0, 1),
    confidence=st.sampled_from([0.5, 0.95, 0.999]),
)
def test_equals_scipy(total: int, share: float, confidence: float) -> None:
    count = round(share * total)
    expected = stats.binomtest(count, total).proportion_ci(confidence, method="exact")
    found = clopper_pearson(count, total, confidence=confidence)
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high == pytest.approx(expected.high, abs=1e-9)
    assert found.low <= count / total <= found.high
    assert found.width == found.high - found.low


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.9])
def test_covers_as_often_as_it_says(rate: float) -> None:
    """Summed over every count that 40 trials can give."""
    covered = 0.0
    for count in range(41):
        found = clopper_pearson(count, 40, confidence=0.9)
        if found.low <= rate <= found.high:
            covered += stats.binom.pmf(count, 40, rate)
    assert covered >= 0.9


def test_no_event_in_all_trials_and_no_trial() -> None:
    assert clopper_pearson(0, 10).low == 0.0
    assert clopper_pearson(0, 10).high == pytest.approx(1 - 0.025**0.1)
    assert clopper_pearson(10, 10).high == 1.0
    nothing = clopper_pearson(0, 0)
    assert (nothing.low, nothing.high) == (0.0, 1.0)


@pytest.mark.parametrize(("count", "total"), [(-1, 5), (6, 5), (1, 0)])
def test_a_count_outside_its_range_is_refused(count: int, total: int) -> None:
    with pytest.raises(ValueError, match="count"):
        clopper_pearson(count, total)


@pytest.mark.parametrize("confidence", [0.0, 1.0, float("nan")])
def test_a_confidence_outside_its_range_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match=r"\(0, 1\)"):
        clopper_pearson(1, 2, confidence=confidence)
    with pytest.raises(ValueError, match=r"\(0, 1\)"):
        bootstrap_auroc(np.zeros(2), np.array([True, False]), confidence=confidence)


# --- AUROC ---


def scored(seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(size) % 3 == 0
    return generator.normal(size=size) + labels, labels


def test_agrees_with_scipys_bootstrap() -> None:
    scores, labels = scored(1, 90)

    def area(normal: np.ndarray, anomalous: np.ndarray) -> float:
        return float(np.mean(anomalous[:, None] > normal[None, :]))

    expected = stats.bootstrap(
        (scores[~labels], scores[labels]),
        area,
        method="percentile",
        vectorized=False,
        n_resamples=4000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    found = bootstrap_auroc(scores, labels, repeats=4000)
    assert found is not None
    assert (found.low, found.high) == (
        pytest.approx(expected.low, abs=0.01),
        pytest.approx(expected.high, abs=0.01),
    )


def test_holds_the_auroc_and_narrows_with_more_items_or_less_confidence() -> None:
    scores, labels = scored(0, 600)
    wide, narrow = bootstrap_auroc(*scored(0, 60)), bootstrap_auroc(scores, labels)
    unsure = bootstrap_auroc(scores, labels, confidence=0.5)
    area = auroc(scores, labels)
    assert wide is not None
    assert narrow is not None
    assert unsure is not None
    assert area is not None
    assert narrow.low < area < narrow.high
    assert unsure.width < narrow.width < wide.width


def test_the_seed_decides_and_order_within_a_kind_of_tie_does_not() -> None:
    scores, labels = scored(3, 50)
    assert bootstrap_auroc(scores, labels) == bootstrap_auroc(scores, labels)
    assert bootstrap_auroc(scores, labels) != bootstrap_auroc(scores, labels, seed=1)
    assert bootstrap_auroc(scores, labels) == bootstrap_auroc(np.exp(scores), labels)


def test_ties_count_one_half() -> None:
    found = bootstrap_auroc(np.zeros(6), np.arange(6) < 2)
    assert found is not None
    assert (found.low, found.high) == (0.5, 0.5)


@pytest.mark.parametrize("labels", [[], [True, True], [False, False]])
def test_one_kind_alone_is_undefined(labels: list[bool]) -> None:
    assert bootstrap_auroc(np.zeros(len(labels)), np.array(labels, dtype=bool)) is None


def test_nan_and_no_repeat_are_refused() -> None:
    labels = np.array([True, False])
    with pytest.raises(ValueError, match="NaN"):
        bootstrap_auroc(np.array([np.nan, 0.0]), labels)
    with pytest.raises(ValueError, match="at least once"):
        bootstrap_auroc(np.zeros(2), labels, repeats=0)
