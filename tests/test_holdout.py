"""Pictures are held out by chance, evenly over the strata, and groups stay whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalis.errors import SettingsError
from normalis.holdout import split_holdout


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    share=st.floats(0.02, 0.9),
    seed=st.integers(0, 9),
)
def test_the_split_is_fair_to_every_group(sizes: list[int], share: float, seed: int) -> None:
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    held_out = split_holdout(groups, share=share, seed=seed)
    np.testing.assert_array_equal(held_out, split_holdout(groups, share=share, seed=seed))
    room = 0
    for group, size in enumerate(sizes):
        held = int(held_out[groups == group].sum())
        assert held < size
        assert held >= (1 if size >= 4 else 0)
        assert abs(held - share * size) <= 1
        room += size - 1 - held
    total, wished = int(held_out.sum()), round(share * sum(sizes))
    minimums = sum(size >= 4 and share * size < 1 for size in sizes)
    assert total <= wished + minimums
    assert total >= wished or room == 0 or total >= wished - len(sizes)


def test_one_group_is_held_out_to_the_picture() -> None:
    groups = np.zeros(100, dtype=np.int64)
    first, second = (split_holdout(groups, share=0.15, seed=seed) for seed in (0, 1))
    assert first.sum() == second.sum() == 15
    assert (first != second).any()


def test_even_groups_give_evenly() -> None:
    groups = np.arange(400) % 4
    held_out = split_holdout(groups, share=0.15, seed=0)
    assert [int(held_out[groups == k].sum()) for k in range(4)] == [15, 15, 15, 15]


def test_nothing_to_split_is_nothing_held_out() -> None:
    assert split_holdout(np.zeros(0, dtype=np.int64), share=0.15, seed=0).sum() == 0


@given(
    pictures=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    share=st.floats(0.02, 0.9),
    seed=st.integers(0, 9),
)
def test_a_part_is_held_out_whole_and_counts_as_one(
    pictures: list[int], share: float, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    groups = generator.permutation(np.repeat(np.arange(len(pictures)), pictures))
    strata = groups % 2
    held_out = split_holdout(strata, share=share, seed=seed, groups=groups)
    parts = np.array([held_out[groups == part].mean() for part in range(len(pictures))])
    assert set(parts.tolist()) <= {0.0, 1.0}
    alone = split_holdout(np.arange(len(pictures)) % 2, share=share, seed=seed)
    np.testing.assert_array_equal(parts > 0, alone)


def test_a_part_seen_as_several_things_is_what_most_of_its_pictures_show() -> None:
    """Two strata of four parts each, in one of which a part has an odd picture."""
    groups = np.repeat(np.arange(8), 3)
    strata = np.repeat([0, 1], 12)
    strata[0] = 1
    held_out = split_holdout(strata, share=0.25, seed=0, groups=groups)
    assert held_out[:12].sum() == held_out[12:].sum() == 3


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(SettingsError, match="between 0 and 1"):
        split_holdout(np.zeros(9, dtype=np.int64), share=share, seed=0)
