"""Rank bounds: the truth lies between them at every threshold, after any adding and merging."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from metrics_samples import Labelled, samples

from normalis.metrics.summary import RankSummary, SortedScores, merge_summaries


def scored(case: Labelled) -> SortedScores:
    parts = np.array_split(case.scores[~case.truth], 3)
    return SortedScores.of(parts, case.scores[case.truth], weights=case.weights)


def direct_counts(case: Labelled, threshold: float) -> list[float]:
    above = case.scores >= threshold
    weight = case.weights[above[case.truth]].sum()
    return [float((above & ~case.truth).sum()), float((above & case.truth).sum()), float(weight)]


def summary_of(case: Labelled, *, bins: int, blocks: int) -> RankSummary:
    summary = RankSummary.empty()
    for block in case.blocks(blocks):
        summary = summary.add(scored(block), bins=bins)
    return summary


def assert_true(summary: RankSummary, case: Labelled) -> None:
    assert (np.diff(summary.edges) > 0).all()
    assert (summary.low <= summary.high + 1e-9).all()
    thresholds = np.concatenate([summary.edges, case.scores, case.scores + 0.25])
    low, high = summary.bounds(thresholds)
    truth = np.array([direct_counts(case, threshold) for threshold in thresholds]).T
    assert (low <= truth + 1e-9).all()
    assert (truth <= high + 1e-9).all()


@given(case=samples(most=40), bins=st.integers(1, 12), blocks=st.integers(1, 6))
def test_the_truth_lies_between_the_bounds(case: Labelled, bins: int, blocks: int) -> None:
    summary = summary_of(case, bins=bins, blocks=blocks)
    assert_true(summary, case)
    assert len(summary.edges) <= 2 * bins + 1
    np.testing.assert_allclose(summary.totals, direct_counts(case, -np.inf))


@given(case=samples(most=40), bins=st.integers(1, 12), blocks=st.integers(1, 6))
def test_a_merge_keeps_the_truth_between_the_bounds(case: Labelled, bins: int, blocks: int) -> None:
    parts = [summary_of(block, bins=bins, blocks=2) for block in case.blocks(blocks)]
    assert_true(merge_summaries(parts, bins=bins), case)


@given(case=samples(most=40))
def test_counts_are_those_of_the_definition(case: Labelled) -> None:
    thresholds = np.append(case.scores, 0.5).astype(np.float64)
    expected = np.array([direct_counts(case, threshold) for threshold in thresholds]).T
    np.testing.assert_allclose(scored(case).counts(thresholds), expected, atol=1e-12)


@given(case=samples(most=40), number=st.integers(1, 40))
def test_candidates_rise_and_are_scores_or_their_next_floats(case: Labelled, number: int) -> None:
    found = scored(case).candidates(number)
    assert (found[1:] > found[:-1]).all()
    values = case.scores.astype(np.float64)
    assert set(found) <= set(values) | set(np.nextafter(values, np.inf))


def test_a_score_that_many_share_gets_a_bin_of_its_own() -> None:
    scores = np.concatenate([np.linspace(0, 1, 50), np.full(500, 0.5), np.linspace(0, 1, 50)])
    case = Labelled(scores, np.zeros(600, dtype=bool), np.zeros(0))
    edges = summary_of(case, bins=20, blocks=1).edges
    assert {0.5, float(np.nextafter(0.5, 1))} <= set(edges.tolist())


def test_low_false_alarm_rates_are_resolved_finely() -> None:
    """Of 100,000 normal scores, the bins among the highest hundred hold a few each."""
    case = Labelled(np.arange(1e5), np.zeros(100_000, dtype=bool), np.zeros(0))
    summary = summary_of(case, bins=500, blocks=1)
    top = summary.low[0][summary.low[0] <= 100]
    assert np.abs(np.diff(top)).max() <= 10
