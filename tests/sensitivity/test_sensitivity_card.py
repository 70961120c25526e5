"""From counts to the smallest size caught, its interval, and its sentence."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalis.sensitivity.card import Curve, Product, curve_of, sentence

SIZES = (2.0, 4.0, 8.0, 16.0, 32.0)


def curve(*caught: int, trials: int = 10, kind: str = "dark spot", contrast: float = 1.0) -> Curve:
    counts = np.array(caught, np.int64)
    sizes = SIZES[: len(caught)]
    return curve_of((kind, contrast), sizes, caught=counts, placed=counts, trials=trials)


def product(*curves: Curve, far: float = 0.01, pictures: int = 10) -> Product:
    names = tuple(f"{i}.png" for i in range(pictures))
    return Product("bottle", names, pictures, 0, 0, 200, 0, far, curves)


def test_the_smallest_size_is_interpolated_in_its_logarithm() -> None:
    """From 8 of 10 at 4 px to 10 of 10 at 8 px, 9 in 10 lie half an octave up."""
    assert curve(0, 8, 10, 10).smallest.size == pytest.approx(4 * np.sqrt(2))


def test_a_size_that_is_caught_just_so_is_taken() -> None:
    assert curve(0, 9, 9, 10).smallest.size == pytest.approx(4.0)


def test_a_dip_is_levelled_out() -> None:
    """9 at 4 px and 5 at 8 px are 7 at both: the smallest lies between 8 and 16 px."""
    levelled, plain = curve(0, 9, 5, 10), curve(0, 7, 7, 10)
    assert levelled.smallest.size == pytest.approx(plain.smallest.size)
    assert levelled.points[1].caught == 9, "what was seen is told as it was seen"


def test_what_is_never_caught_has_no_size() -> None:
    found = curve(0, 0, 3, 8).smallest
    assert found.size is None
    assert found.high is None
    assert curve(0, 0, 0, 0).smallest.low is None


def test_what_is_always_caught_is_caught_at_the_smallest_tried() -> None:
    found = curve(40, 40, 40, trials=40).smallest
    assert (found.size, found.low, found.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(("trials", "closed"), [(35, False), (36, True)])
def test_the_interval_closes_from_36_trials_on(trials: int, closed: bool) -> None:  # noqa: FBT001
    found = curve(0, 0, trials, trials, trials=trials).smallest
    assert (found.high is not None) == closed


@given(st.lists(st.integers(0, 30), min_size=5, max_size=5))
def test_the_estimate_lies_in_its_interval(caught: list[int]) -> None:
    found = curve(*caught, trials=30).smallest
    ends = [np.inf if end is None else end for end in (found.low, found.size, found.high)]
    assert ends == sorted(ends)
    for point in curve(*caught, trials=30).points:
        assert point.low <= point.share <= point.high


def test_the_sentence_says_size_rate_and_how_sure() -> None:
    caught = curve(0, 0, 90, 100, trials=100)
    assert sentence(product(caught, pictures=50), caught) == (
        "on bottle, a dark spot of 8 px or more at full contrast is caught 9 times in 10 at 1 % "
        "false alarms (100 trials on 50 pictures; 95 % interval 7.7 to 12 px)"
    )


def test_the_sentence_of_few_trials_leaves_the_interval_open() -> None:
    caught = curve(0, 0, 5, 5, trials=5, contrast=0.25)
    assert sentence(product(caught, far=1 / 22, pictures=5), caught) == (
        "on bottle, a dark spot of 7.5 px or more at 25 % contrast is caught 9 times in 10 at "
        "4.5 % false alarms (5 trials on 5 pictures; 95 % interval 7 to more than 16 px)"
    )


def test_the_sentence_of_what_is_not_caught_says_so() -> None:
    missed = curve(0, 0, 1, 7, kind="scratch", contrast=0.5)
    assert sentence(product(missed), missed) == (
        "on bottle, a scratch at 50 % contrast is not caught 9 times in 10 at 1 % false alarms at "
        "any size tried (7 of 10 at the largest, 16 px length)"
    )


def test_the_sentence_of_what_is_always_caught_names_the_smallest_tried() -> None:
    always = curve(10, 10, kind="cut-paste")
    assert sentence(product(always), always) == (
        "on bottle, a patch from elsewhere of 2 px, the smallest tried, or more is caught 9 times "
        "in 10 at 1 % false alarms (10 trials on 10 pictures; 95 % interval 2 or less to more "
        "than 4 px)"
    )


def test_the_strongest_curve_of_each_kind_is_the_last() -> None:
    weak, strong = curve(0, 1, contrast=0.5), curve(0, 9)
    other = curve(0, 3, kind="missing part")
    assert product(weak, strong, other).strongest == (strong, other)
    assert replace(product(), curves=()).strongest == ()


def test_the_share_found_at_the_right_place_is_that_of_what_was_caught() -> None:
    half = curve_of(
        ("scratch", 1.0), (2.0, 4.0), caught=np.array([2, 8]), placed=np.array([0, 5]), trials=8
    )
    assert product(half).placed == 0.5
    assert product(curve(0, 0)).placed is None
