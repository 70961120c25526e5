"""Laws of the ranking metrics, and scikit-learn as an independent reference."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
)

from normalis.metrics import auroc, average_precision, f1_max, iou_max

Metric = Callable[[np.ndarray, np.ndarray], float | None]


def f1_value(scores: np.ndarray, is_anomalous: np.ndarray) -> float | None:
    best = f1_max(scores, is_anomalous)
    return None if best is None else best.value


def f1_reference(is_anomalous: np.ndarray, scores: np.ndarray) -> float:
    precision, recall, _ = precision_recall_curve(is_anomalous, scores)
    return float(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300)))


def iou_reference(is_anomalous: np.ndarray, scores: np.ndarray) -> float:
    precision, recall, _ = precision_recall_curve(is_anomalous, scores)
    overlap = precision * recall
    return float(np.max(overlap / np.maximum(precision + recall - overlap, 1e-300)))


METRICS = [
    pytest.param(auroc, roc_auc_score, id="auroc"),
    pytest.param(average_precision, average_precision_score, id="average_precision"),
    pytest.param(f1_value, f1_reference, id="f1_max"),
    pytest.param(iou_max, iou_reference, id="iou_max"),
]


@st.composite
def labelled(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties (integers of a narrow range) or few, and both kinds of labels."""
    size = draw(st.integers(2, 40))
    spread = draw(st.sampled_from([1, 3, 1000]))
    values = draw(st.lists(st.integers(-spread, spread), min_size=size, max_size=size))
    labels = draw(st.lists(st.booleans(), min_size=size - 2, max_size=size - 2))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return np.array(values, dtype=dtype), np.array([True, False, *labels])


@pytest.mark.parametrize(("metric", "reference"), METRICS)
@given(case=labelled())
def test_equals_scikit_learn(
    metric: Metric, reference: Metric, case: tuple[np.ndarray, np.ndarray]
) -> None:
    scores, labels = case
    assert metric(scores, labels) == pytest.approx(reference(labels, scores), abs=1e-12)


@pytest.mark.parametrize(("metric", "reference"), METRICS)
@given(case=labelled(), seed=st.integers(0, 2**16))
def test_order_and_monotone_maps_change_nothing(
    metric: Metric, reference: Metric, case: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    scores, labels = case
    order = np.random.default_rng(seed).permutation(len(scores))
    warped = np.arctan(scores.astype(np.float64)) * 3 - 7
    assert metric(scores[order], labels[order]) == metric(scores, labels)
    assert metric(warped, labels) == metric(scores, labels)


@pytest.mark.parametrize(("metric", "reference"), METRICS)
@pytest.mark.parametrize("labels", [[True, True], [False, False]])
def test_one_kind_alone_is_undefined_not_zero(
    metric: Metric, reference: Metric, labels: list[bool]
) -> None:
    assert metric(np.array([0.1, 0.2]), np.array(labels)) is None


@pytest.mark.parametrize(("metric", "reference"), METRICS)
def test_nothing_at_all_is_undefined(metric: Metric, reference: Metric) -> None:
    assert metric(np.zeros(0), np.zeros(0, dtype=bool)) is None


@pytest.mark.parametrize(("metric", "reference"), METRICS)
@pytest.mark.parametrize("place", [0, 1])
def test_nan_is_refused_on_either_side(metric: Metric, reference: Metric, place: int) -> None:
    scores = np.array([0.0, 1.0, 2.0, 3.0])
    scores[place] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        metric(scores, np.array([False, True, False, True]))


def test_perfect_wrong_and_constant_scores() -> None:
    labels = np.array([False, False, True, True])
    rising = np.array([0.0, 1.0, 2.0, 3.0])
    assert auroc(rising, labels) == 1.0
    assert auroc(-rising, labels) == 0.0
    assert auroc(np.zeros(4), labels) == 0.5
    assert average_precision(np.zeros(4), labels) == 0.5


def test_infinite_scores_rank_at_the_ends() -> None:
    labels = np.array([False, True, False, True])
    assert auroc(np.array([-np.inf, 0.0, 1.0, np.inf]), labels) == 0.75


def test_f1_threshold_reaches_the_value_it_promises() -> None:
    generator = np.random.default_rng(1)
    scores, labels = generator.normal(size=50), generator.random(50) < 0.3
    best = f1_max(scores, labels)
    assert best is not None
    called = scores >= best.threshold
    hits = int((called & labels).sum())
    assert best.value == pytest.approx(2 * hits / (called.sum() + labels.sum()))


def test_equal_f1_takes_the_highest_threshold() -> None:
    best = f1_max(np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, False, True]))
    assert best is not None
    assert (best.value, best.threshold) == (pytest.approx(2 / 3), 4.0)
