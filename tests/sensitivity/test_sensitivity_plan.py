"""Which defects are planned, and which plans are refused."""

from itertools import pairwise
from typing import Any

import pytest

from normalis.errors import SettingsError
from normalis.images.planting import KINDS, WHOLE_KINDS
from normalis.sensitivity.plan import Plan


def test_every_kind_has_its_contrasts() -> None:
    curves = Plan(contrasts=(0.5, 1.0)).curves
    assert len(set(curves)) == len(curves)
    for kind in KINDS:
        found = [contrast for name, contrast in curves if name == kind]
        assert found == ([1.0] if kind in WHOLE_KINDS else [0.5, 1.0])


def test_a_kind_named_twice_is_planted_once() -> None:
    assert Plan(kinds=("scratch", "scratch"), contrasts=(1.0,)).curves == (("scratch", 1.0),)


def test_sizes_are_graded_from_a_hundredth_to_a_quarter_of_the_side() -> None:
    sizes = Plan().sizes(1000)
    assert (sizes[0], sizes[-1]) == (10.0, 250.0)
    ratios = [b / a for a, b in pairwise(sizes)]
    assert min(ratios) == pytest.approx(max(ratios), rel=0.02)


@pytest.mark.parametrize("side", [1, 7, 30])
def test_on_tiny_pictures_no_size_is_below_a_pixel_or_tried_twice(side: int) -> None:
    sizes = Plan().sizes(side)
    assert sizes[0] >= 1.0
    assert list(sizes) == sorted(set(sizes))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kinds": ("dent",)}, 'no defect "dent"'),
        ({"kinds": ()}, "at least one kind"),
        ({"contrasts": (1.0, 0.5)}, "must rise"),
        ({"contrasts": (0.0, 0.5)}, "must rise"),
        ({"contrasts": (0.5, 1.5)}, "contrast is 1.5"),
        ({"pictures": 0}, "pictures is 0"),
        ({"places": 0}, "places is 0"),
        ({"far": 0.0}, "far is 0.0"),
        ({"far": 1.0}, "far is 1.0"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Plan(**wrong)
