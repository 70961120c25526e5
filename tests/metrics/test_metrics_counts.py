"""The accumulator: exact mode is exact, streaming mode lies within the bounds it states."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_samples import KINDS, Labelled, sample, samples
from sklearn.metrics import average_precision_score, roc_auc_score

from normalis.metrics import BINS, Curve, ScoreCounts

LIMITS = [1.0, 0.3, 0.05]


def figures(counts: ScoreCounts) -> list[float | None]:
    """Every metric that is read from the two curves."""
    curve, weighted = counts.curve(), counts.curve(weighted=True)
    best = curve.f1_max()
    areas = [weighted.area(limit=limit) for limit in LIMITS]
    return [
        curve.area(),
        curve.average_precision(),
        None if best is None else best.value,
        curve.iou_max(),
        *areas,
    ]


def same_curve(one: Curve, other: Curve) -> None:
    assert one.normals == other.normals
    for name in ("true_at", "false_above", "false_at"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12)


# --- exact ---


@given(case=samples(), blocks=st.integers(1, 7))
def test_exact_counts_in_blocks_are_the_exact_curve_of_all(case: Labelled, blocks: int) -> None:
    counts = case.counted(blocks=blocks)
    assert counts.is_exact
    same_curve(counts.curve(weighted=True), case.counted().curve(weighted=True))
    if 0 < case.truth.sum() < len(case.truth) and np.isfinite(case.scores).all():
        curve = counts.curve()
        assert curve.area() == pytest.approx(roc_auc_score(case.truth, case.scores))
        expected = average_precision_score(case.truth, case.scores)
        assert curve.average_precision() == pytest.approx(expected)


@given(case=samples())
def test_streaming_is_exact_until_the_buffer_is_full(case: Labelled) -> None:
    counts = case.counted(bins=4, buffer=len(case.scores), blocks=3)
    assert counts.is_exact
    same_curve(counts.curve(), case.counted().curve())


# --- streaming ---


@given(case=samples(), blocks=st.integers(1, 9), bins=st.integers(1, 30), buffer=st.integers(1, 90))
def test_the_exact_areas_lie_within_the_stated_range(
    case: Labelled, blocks: int, bins: int, buffer: int
) -> None:
    exact = case.counted()
    streaming = case.counted(bins=bins, buffer=buffer, blocks=blocks)
    assert (streaming.normals, streaming.anomalous) == (exact.normals, exact.anomalous)
    for limit, weighted in [(1.0, False), (0.3, True), (0.05, True)]:
        area = exact.curve(weighted=weighted).area(limit=limit)
        estimate = streaming.curve(weighted=weighted).area(limit=limit)
        span = streaming.area_range(limit=limit, weighted=weighted)
        if area is None or estimate is None or span is None:
            assert area is estimate is span is None
            continue
        assert span.low - 1e-9 <= area <= span.high + 1e-9
        assert span.low - 1e-9 <= estimate <= span.high + 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_the_usual_bins_are_right_to_a_thousandth(kind: str) -> None:
    case = sample(kind, seed=5, size=400_000, share=0.03)
    streaming = case.counted(bins=BINS, buffer=50_000, blocks=20)
    assert not streaming.is_exact
    assert figures(streaming) == pytest.approx(figures(case.counted()), abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_usual_bins_promise_a_thousandth(kind: str) -> None:
    streaming = sample(kind, seed=6, size=300_000, share=0.03).counted(
        bins=BINS, buffer=30_000, blocks=20
    )
    for limit in LIMITS:
        span = streaming.area_range(limit=limit, weighted=True)
        assert span is not None
        assert 0.0 <= span.width < 1e-3


def test_few_tied_scores_stay_exact_for_ever() -> None:
    """Every score gets a bin of its own, so nothing is ever between two edges."""
    generator = np.random.default_rng(1)
    truth = generator.random(20_000) < 0.4
    scores = np.floor(5 * generator.random(20_000) ** (1 + truth))
    case = Labelled(scores, truth, np.ones(int(truth.sum())))
    streaming = case.counted(bins=100, buffer=500, blocks=30)
    assert not streaming.is_exact
    for limit in LIMITS:
        exact = case.counted().curve().area(limit=limit)
        span = streaming.area_range(limit=limit)
        assert span is not None
        assert (span.low, span.high) == (pytest.approx(exact), pytest.approx(exact))


def test_memory_does_not_grow_with_what_comes() -> None:
    case = sample("drifting", seed=2, size=60_000)
    streaming = case.counted(bins=50, buffer=100, blocks=400)
    assert len(streaming.curve().thresholds) <= 100


@given(case=samples(), bins=st.integers(2, 30))
def test_a_rising_map_of_the_scores_changes_nothing(case: Labelled, bins: int) -> None:
    ranked = np.unique(case.scores, return_inverse=True)[1].astype(np.float64)
    one, other = (
        Labelled(scores, case.truth, case.weights).counted(bins=bins, buffer=50, blocks=5)
        for scores in (ranked, 1e30 * np.exp(ranked / 50.0))
    )
    same_curve(one.curve(weighted=True), other.curve(weighted=True))


@given(case=samples(), seed=st.integers(0, 2**16))
def test_order_changes_nothing_beyond_the_range(case: Labelled, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(case.scores))
    shuffled = Labelled(case.scores[order], case.truth[order], np.ones(len(case.weights)))
    span = case.counted(bins=20, buffer=40, blocks=5).area_range()
    area = shuffled.counted(bins=20, buffer=40, blocks=5).area_range()
    if span is None or area is None:
        assert span is area
        return
    assert span.low <= area.high + 1e-9
    assert area.low <= span.high + 1e-9


# --- merging ---


@given(case=samples(), blocks=st.integers(1, 6))
def test_merged_exact_counts_are_those_of_the_whole(case: Labelled, blocks: int) -> None:
    merged = ScoreCounts.merge(*(part.counted() for part in case.blocks(blocks)))
    same_curve(merged.curve(weighted=True), case.counted().curve(weighted=True))


@given(case=samples(), blocks=st.integers(1, 6), bins=st.integers(2, 30))
def test_merged_summaries_keep_their_promise(case: Labelled, blocks: int, bins: int) -> None:
    parts = [part.counted(bins=bins, buffer=20, blocks=3) for part in case.blocks(blocks)]
    merged = ScoreCounts.merge(*parts)
    exact = case.counted().curve(weighted=True)
    for limit in LIMITS:
        span, area = merged.area_range(limit=limit, weighted=True), exact.area(limit=limit)
        if span is None or area is None:
            assert span is area
            continue
        assert span.low - 1e-9 <= area <= span.high + 1e-9


def test_merging_many_large_parts_is_right_to_a_thousandth() -> None:
    case = sample("drifting", seed=3, size=400_000, share=0.05)
    parts = [part.counted(bins=BINS, buffer=10_000, blocks=4) for part in case.blocks(8)]
    merged = ScoreCounts.merge(*parts)
    assert not merged.is_exact
    assert figures(merged) == pytest.approx(figures(case.counted()), abs=1e-3)


def test_equal_edges_merge_exactly() -> None:
    half = sample("smooth", seed=4, size=5000).counted(bins=200, buffer=100)
    one, two = half.curve(weighted=True), ScoreCounts.merge(half, half).curve(weighted=True)
    np.testing.assert_array_equal(two.thresholds, one.thresholds)
    np.testing.assert_allclose(two.true_at, 2 * one.true_at)
    np.testing.assert_array_equal(two.false_at, 2 * one.false_at)
    assert ScoreCounts.merge(half, half).area_range() == half.area_range()


def test_the_parts_of_a_merge_go_on_alone() -> None:
    part = sample("smooth", seed=0, size=10).counted()
    merged = ScoreCounts.merge(part, ScoreCounts())
    merged.add(np.zeros(3), np.zeros(3, dtype=bool))
    assert merged.normals == part.normals + 3


@pytest.mark.parametrize("other", [ScoreCounts(bins=9), ScoreCounts(buffer=9)])
def test_unlike_counts_do_not_merge(other: ScoreCounts) -> None:
    with pytest.raises(ValueError, match="same bins and the same buffer"):
        ScoreCounts.merge(ScoreCounts(), other)


# --- what is missing or wrong ---


@pytest.mark.parametrize("bins", [None, 4])
@pytest.mark.parametrize("truth", [[], [True], [False], [True] * 9, [False] * 9])
def test_one_kind_alone_is_undefined(bins: int | None, truth: list[bool]) -> None:
    counts = ScoreCounts(bins=bins, buffer=3)
    counts.add(np.linspace(0, 1, len(truth)), np.array(truth, dtype=bool))
    assert figures(counts) == [None] * 7
    assert counts.area_range() is None
    assert counts.normals + counts.anomalous == len(truth)


@pytest.mark.parametrize("bins", [None, 4])
def test_nothing_added_is_undefined(bins: int | None) -> None:
    assert figures(ScoreCounts(bins=bins)) == [None] * 7


@pytest.mark.parametrize("truth", [True, False])
def test_nan_is_refused_and_nothing_is_counted(truth: bool) -> None:  # noqa: FBT001
    counts = ScoreCounts(bins=4)
    with pytest.raises(ValueError, match="NaN"):
        counts.add(np.array([0.0, np.nan]), np.array([False, truth]))
    assert counts.normals == counts.anomalous == 0


def test_weights_must_match_the_anomalous_scores() -> None:
    with pytest.raises(ValueError, match="2 anomalous scores have 3 weights"):
        ScoreCounts().add(np.zeros(3), np.array([True, True, False]), weights=np.ones(3))


@pytest.mark.parametrize(("bins", "buffer"), [(0, 10), (4, 0)])
def test_bins_and_buffer_must_be_positive(bins: int, buffer: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ScoreCounts(bins=bins, buffer=buffer)


@pytest.mark.parametrize("limit", [0.0, 1.5])
def test_a_limit_outside_its_range_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match=r"\(0, 1\]"):
        sample("smooth", seed=0, size=9).counted(bins=2, buffer=2).area_range(limit=limit)
