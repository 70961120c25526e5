"""The procedure on a scorer whose response is known."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from sensitivity_samples import SIDE, SizeScorer, good_pictures, held_out, write_good

from normalis.errors import DatasetError
from normalis.images.decode import Picture
from normalis.images.regions import Peak
from normalis.results import Result
from normalis.sensitivity.card import Product, Sensitivity, pixels, sentence
from normalis.sensitivity.measure import HeldOut, examples, measure
from normalis.sensitivity.plan import Plan
from small_world import Listener

SPOTS = Plan(kinds=("dark spot",), contrasts=(1.0,))


def run(model: SizeScorer, pictures: list[HeldOut], plan: Plan = SPOTS) -> Sensitivity:
    return measure(model, pictures, data="parts", plan=plan, observer=Listener())


def only(card: Sensitivity) -> Product:
    (product,) = card.products
    return product


@pytest.mark.parametrize("catches", [3.0, 6.0, 14.0])
def test_the_size_from_which_on_the_model_catches_is_found(tmp_path: Path, catches: float) -> None:
    """It lies between the size tried below it, where all are missed, and that above it."""
    product = only(run(SizeScorer(catches), good_pictures(tmp_path, 8)))
    (curve,) = product.curves
    sizes = np.array([point.size for point in curve.points])
    below, above = sizes[sizes < 0.85 * catches].max(), sizes[sizes > 1.15 * catches].min()
    for point in curve.points:
        if not below < point.size < above:
            assert point.caught == point.placed == (8 if point.size >= above else 0)
    assert curve.smallest.size is not None
    assert below <= curve.smallest.size <= above
    assert f"a dark spot of {pixels(curve.smallest.size)} px" in sentence(product, curve)


def test_a_model_that_catches_nothing_is_told_so(tmp_path: Path) -> None:
    product = only(run(SizeScorer(1000.0), good_pictures(tmp_path, 3)))
    assert product.curves[0].smallest.size is None
    assert "is not caught" in sentence(product, product.curves[0])


def test_every_kind_and_contrast_is_tried_on_every_picture_and_place(tmp_path: Path) -> None:
    plan = Plan(kinds=("scratch", "missing part"), contrasts=(0.5, 1.0), places=2)
    model, listener = SizeScorer(5.0), Listener()
    card = measure(model, good_pictures(tmp_path, 2), data="x", plan=plan, observer=listener)
    curves = only(card).curves
    assert tuple((curve.kind, curve.contrast) for curve in curves) == plan.curves
    assert {point.trials for curve in curves for point in curve.points} == {4}
    assert model.seen == 4 * len(plan.curves) * len(plan.sizes(SIDE))
    assert listener.stages[-1] == "scoring planted defects"


def test_the_peak_elsewhere_is_not_the_right_place(tmp_path: Path) -> None:
    """A model whose peak always lies in a corner catches, but not where the defect is."""

    class Blind(SizeScorer):
        def judge(self, path: Path, picture: Picture, far: float | None) -> Result:
            return replace(super().judge(path, picture, far), peak=Peak(0, 0, 1.0))

    (curve,) = only(run(Blind(3.0), good_pictures(tmp_path, 4))).curves
    assert curve.points[-1].caught == 4
    assert sum(point.placed for point in curve.points) < sum(p.caught for p in curve.points)


def test_the_same_seed_gives_the_same_card(tmp_path: Path) -> None:
    pictures = good_pictures(tmp_path, 3)
    assert run(SizeScorer(5.0), pictures) == run(SizeScorer(5.0), pictures)


# --- which pictures ---


def test_the_first_pictures_of_each_product_are_taken(tmp_path: Path) -> None:
    bolts = good_pictures(tmp_path / "a", 5, product="bolt")
    nuts = good_pictures(tmp_path / "b", 2, product="nut")
    card = run(SizeScorer(), bolts + nuts, Plan(kinds=("scratch",), contrasts=(1.0,), pictures=3))
    assert [product.name for product in card.products] == ["bolt", "nut"]
    assert [len(product.pictures) for product in card.products] == [3, 2]
    assert card.products[0].pictures == ("000.png", "001.png", "002.png")


def test_products_without_a_name_are_the_model_s_concepts(tmp_path: Path) -> None:
    card = run(SizeScorer(concepts=2), good_pictures(tmp_path, 5, product=None))
    assert [product.name for product in card.products] == ["concept 0", "concept 1"]
    assert [len(product.pictures) for product in card.products] == [3, 2]


def test_a_picture_that_alarms_as_it_is_is_left_out_and_counted(tmp_path: Path) -> None:
    pictures = good_pictures(tmp_path, 3)
    pictures.append(held_out(write_good(tmp_path / "7.png", alarming=True)))
    product = only(run(SizeScorer(5.0), pictures))
    assert product.clean_alarms == 1
    assert product.pictures == ("000.png", "001.png", "002.png")
    assert product.curves[0].points[0].trials == 3


def test_where_all_pictures_alarm_nothing_is_said(tmp_path: Path) -> None:
    model = SizeScorer(5.0)
    pictures = [held_out(write_good(tmp_path / "7.png", alarming=True))]
    card = run(model, pictures)
    assert (only(card).curves, only(card).clean_alarms, model.seen) == ((), 1, 0)
    assert list(examples(model, pictures, card=card, plan=SPOTS)) == []


def test_uses_are_counted(tmp_path: Path) -> None:
    uses: list[Literal["never seen", "validation", "calibration"]] = [
        *("never seen", "validation", "calibration", "calibration")
    ]
    pictures = [held_out(write_good(tmp_path / f"{i}.png"), use=use) for i, use in enumerate(uses)]
    product = only(run(SizeScorer(), pictures))
    assert (product.never_seen, product.validation, product.calibration) == (1, 1, 2)


def test_a_broken_picture_is_skipped_and_told(tmp_path: Path) -> None:
    (tmp_path / "9.png").write_text("no picture")
    card = run(SizeScorer(), [held_out(tmp_path / "9.png"), *good_pictures(tmp_path, 2)])
    assert [name for name, _ in card.skipped] == ["9.png"]
    assert len(only(card).pictures) == 2


def test_without_a_readable_picture_there_is_no_card(tmp_path: Path) -> None:
    (tmp_path / "9.png").write_text("no picture")
    with pytest.raises(DatasetError, match=r"no held-out good picture can be read.*9\.png"):
        run(SizeScorer(), [held_out(tmp_path / "9.png")])


# --- the rate ---


def test_the_rate_is_handed_on(tmp_path: Path) -> None:
    model = SizeScorer(5.0)
    plan = Plan(kinds=("scratch",), contrasts=(1.0,), far=0.2)
    card = run(model, good_pictures(tmp_path, 1), plan)
    assert model.rates == {0.2}
    assert only(card).far == pytest.approx(0.2)


def test_a_rate_that_cannot_be_promised_is_not_claimed(tmp_path: Path) -> None:
    plan = Plan(kinds=("dark spot",), contrasts=(1.0,), far=0.001)
    card = run(SizeScorer(5.0, held_out=19), good_pictures(tmp_path, 2), plan)
    product = only(card)
    assert product.far == pytest.approx(0.05)
    assert "0.1 % was wished for" in card.promise
    assert "at 5 % false alarms" in sentence(product, product.curves[0])


# --- examples ---


def test_an_example_of_each_kind_is_near_the_smallest_size_caught(tmp_path: Path) -> None:
    plan = Plan(kinds=("dark spot", "missing part"), contrasts=(0.5, 1.0))
    model, pictures = SizeScorer(6.0), good_pictures(tmp_path, 3)
    card = run(model, pictures, plan)
    shown = list(examples(model, pictures, card=card, plan=plan))
    assert [example.defect.kind for example in shown] == ["dark spot", "missing part"]
    dark = shown[0]
    smallest = only(card).curves[1].smallest.size
    assert smallest is not None
    assert dark.defect.contrast == 1.0
    assert smallest <= dark.defect.size < 2 * smallest
    assert dark.mask[dark.result.peak.row, dark.result.peak.col]
    assert dark.product == "bolt"
