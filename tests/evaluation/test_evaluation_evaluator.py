"""Evaluation: three views, what is not defined stays so, and maps at a stated size."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from normalis.errors import DatasetError
from normalis.evaluation import (
    HONEST,
    PAPER,
    CategoryCurves,
    Evaluation,
    Evaluator,
    ImageResult,
    Trace,
    percent,
)
from normalis.metrics import aupro, iou_max


def result(
    category: str | None = "nut",
    *,
    is_defect: bool,
    score: float = 0.0,
    paper_score: float | None = None,
) -> ImageResult:
    name = f"{category}/{'bad' if is_defect else 'good'}/{score}"
    return ImageResult(name, category, is_defect, score, paper_score)


def block(height: int, width: int, corner: tuple[slice, slice] | None = None) -> np.ndarray:
    mask = np.zeros((height, width), dtype=bool)
    if corner is not None:
        mask[corner] = True
    return mask


def random_test_set(seed: int, *, order: list[int] | None = None) -> Evaluation:
    """Three categories of 8 pictures, every second one a defect with a mask."""
    generator = np.random.default_rng(seed)
    pictures: list[tuple[ImageResult, np.ndarray, np.ndarray]] = []
    for index in range(24):
        is_defect = bool(index % 2)
        mask = block(9, 11, (slice(2, 5), slice(3, 3 + index % 5)) if is_defect else None)
        score = float(generator.normal() + is_defect)
        category = f"product {index // 8}"
        values = (generator.normal(size=(9, 11)) + mask).astype(np.float32)
        pictures.append((result(category, is_defect=is_defect, score=score), values, mask))
    evaluator = Evaluator()
    for index in order or range(24):
        picture, values, mask = pictures[index]
        evaluator.add(picture, map=values, mask=mask)
    return evaluator.finish()


# --- the three views ---


@settings(max_examples=30)
@given(seed=st.integers(0, 2**16), order=st.permutations(list(range(24))))
def test_the_order_of_pictures_changes_nothing(seed: int, order: list[int]) -> None:
    first, second = random_test_set(seed), random_test_set(seed, order=order)
    assert [name for name, _ in first.rows] == [name for name, _ in second.rows]
    for one, other in [(first.mean, second.mean), (first.mixed, second.mixed)]:
        assert astuple(one) == pytest.approx(astuple(other), abs=1e-12)


def test_mixed_ranks_all_pictures_and_pixels_together() -> None:
    generator = np.random.default_rng(0)
    labels = generator.random(30) < 0.4
    scores = generator.normal(size=30) + labels
    maps = generator.normal(size=(30, 6, 5)).astype(np.float32)
    masks = (generator.random((30, 6, 5)) < 0.2) & labels[:, None, None]
    evaluator = Evaluator()
    for k in range(30):
        picture = result(f"c{k % 3}", is_defect=bool(labels[k]), score=float(scores[k]))
        evaluator.add(picture, map=maps[k], mask=masks[k])
    mixed = evaluator.finish().mixed
    kept = [k for k in range(30) if not labels[k] or masks[k].any()]
    pixels, truth = maps[kept].ravel(), masks[kept].ravel()
    assert (mixed.images, mixed.defects) == (30, int(labels.sum()))
    assert mixed.image_auroc == pytest.approx(roc_auc_score(labels, scores))
    assert mixed.image_ap == pytest.approx(average_precision_score(labels, scores))
    assert mixed.pixel_auroc == pytest.approx(roc_auc_score(truth, pixels))
    assert mixed.pixel_ap == pytest.approx(average_precision_score(truth, pixels))
    assert mixed.pixel_iou_max == pytest.approx(iou_max(pixels, truth))
    for limit, figure in [(0.3, mixed.aupro), (0.05, mixed.aupro_strict)]:
        expected = aupro(list(maps[kept]), list(masks[kept]), fpr_limit=limit)
        assert figure == pytest.approx(expected, abs=1e-12)


def test_each_category_may_be_perfect_and_the_mix_not() -> None:
    evaluator = Evaluator()
    for category, offset in [("a", 0.0), ("b", 10.0)]:
        evaluator.add(result(category, is_defect=False, score=offset))
        evaluator.add(result(category, is_defect=True, score=offset + 1.0))
    evaluation = evaluator.finish()
    assert [figures.image_auroc for _, figures in evaluation.rows] == [1.0, 1.0]
    assert evaluation.mean.image_auroc == 1.0
    assert evaluation.mixed.image_auroc == 0.75


def test_a_category_without_defects_has_no_auroc_and_no_part_in_the_mean() -> None:
    evaluator = Evaluator()
    evaluator.add(result("bolt", is_defect=False, score=3.0))
    evaluator.add(result("nut", is_defect=False, score=0.0))
    evaluator.add(result("nut", is_defect=True, score=1.0))
    evaluation = evaluator.finish()
    bolt = dict(evaluation.rows)["bolt"]
    assert astuple(bolt) == (1, 0) + (None,) * 9
    assert percent(bolt.image_auroc) == "n/a"
    assert (evaluation.mean.images, evaluation.mean.image_auroc) == (3, 1.0)
    assert evaluation.mixed.image_auroc == 0.5


def test_nothing_added_is_nothing_defined() -> None:
    evaluation = Evaluator().finish()
    assert evaluation.rows == ()
    assert astuple(evaluation.mean) == astuple(evaluation.mixed) == (0, 0) + (None,) * 9


def test_a_picture_without_a_category_has_a_row() -> None:
    evaluator = Evaluator()
    evaluator.add(result(None, is_defect=False))
    assert [name for name, _ in evaluator.finish().rows] == ["unnamed"]


@pytest.mark.parametrize(("figure", "text"), [(None, "n/a"), (0.0, "0.0"), (0.97345, "97.3")])
def test_percent(figure: float | None, text: str) -> None:
    assert percent(figure) == text


# --- honest and paper ---


def test_the_paper_score_is_judged_by_its_own_evaluator() -> None:
    honest, paper = Evaluator(), Evaluator(score="paper")
    good = result(is_defect=False, score=0.0, paper_score=1.0)
    bad = result(is_defect=True, score=1.0, paper_score=0.0)
    for evaluator in (honest, paper):
        evaluator.add(good)
        evaluator.add(bad)
    assert honest.finish().mean.image_auroc == 1.0
    assert paper.finish().mean.image_auroc == 0.0
    assert honest.finish().protocol.startswith(f"{HONEST.sentence}; honest score;")
    assert paper.finish().protocol.startswith(f"{PAPER.sentence}; paper score;")


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_missing_score_is_refused_by_name(missing: float | None) -> None:
    with pytest.raises(ValueError, match=r"nut/bad/0\.0 has no paper score"):
        Evaluator(score="paper").add(result(is_defect=True, paper_score=missing))


# --- pixels ---


def test_large_maps_are_judged_at_the_stated_size() -> None:
    """A 40 × 80 map halves: a region of whole 2 × 2 blocks keeps its figures exactly."""
    mask = block(40, 80, (slice(8, 16), slice(20, 40)))
    values = np.linspace(0, 1, 20 * 40, dtype=np.float32).reshape(20, 40)
    small_mask = mask[::2, ::2]
    evaluator = Evaluator(longest_side=40)
    evaluator.add(result(is_defect=True), map=np.kron(values, np.ones((2, 2))), mask=mask)
    evaluation = evaluator.finish()
    assert "40 pixels" in evaluation.protocol
    expected = roc_auc_score(small_mask.ravel(), values.ravel())
    assert evaluation.mean.pixel_auroc == pytest.approx(expected, abs=0.01)


def test_small_maps_are_not_enlarged() -> None:
    mask = block(3, 3, (slice(0, 1), slice(0, 1)))
    values = np.zeros((3, 3), dtype=np.float32)
    values[0, 0], values[0, 1] = 1.0, 1.0
    evaluator = Evaluator()
    evaluator.add(result(is_defect=True), map=values, mask=mask)
    assert evaluator.finish().mean.pixel_auroc == 1 - 0.5 / 8


def test_a_defect_without_a_mask_is_left_out_and_said() -> None:
    evaluator = Evaluator()
    for mask in (None, block(4, 4)):
        evaluator.add(result(is_defect=True), map=np.ones((4, 4)), mask=mask)
    evaluator.add(result(is_defect=False), map=np.zeros((4, 4)))
    evaluation = evaluator.finish()
    assert evaluation.mean.defects == 2
    assert evaluation.mean.pixel_auroc is None
    assert "without a mask left out of them: 2" in evaluation.protocol


def test_a_defect_that_vanishes_in_the_resize_is_said() -> None:
    evaluator = Evaluator(longest_side=4)
    mask = block(40, 40, (slice(0, 1), slice(0, 1)))
    evaluator.add(result(is_defect=True), map=np.zeros((40, 40)), mask=mask)
    assert "too small to be seen at this size: 1" in evaluator.finish().protocol


def test_a_read_only_map_is_welcome_and_untouched() -> None:
    values = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    values.setflags(write=False)
    evaluator = Evaluator()
    evaluator.add(result(is_defect=True), map=values, mask=values > 8)
    assert evaluator.finish() == evaluator.finish()
    np.testing.assert_array_equal(values.ravel(), np.arange(12.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [(np.full((4, 4), np.nan), "NaN"), (np.zeros((4, 5)), r"map is \(4, 5\), the mask \(4, 4\)")],
)
def test_a_map_that_cannot_be_judged_is_refused_whole(values: np.ndarray, message: str) -> None:
    evaluator = Evaluator()
    with pytest.raises(ValueError, match=message):
        evaluator.add(result(is_defect=True), map=values, mask=np.eye(4, dtype=bool))
    assert evaluator.finish().rows == ()


def test_a_good_picture_with_a_marked_mask_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"nut/good/0\.0 is labelled as good"):
        Evaluator().add(result(is_defect=False), map=np.zeros((3, 3)), mask=np.eye(3, dtype=bool))


# --- many pixels ---


def large_test_set(*, offset: float) -> tuple[Evaluator, np.ndarray, np.ndarray]:
    """Two categories of 8 pictures of 256 × 256: more than is kept one by one."""
    generator = np.random.default_rng(1)
    maps = generator.normal(size=(16, 256, 256)).astype(np.float32)
    masks = np.zeros(maps.shape, dtype=bool)
    masks[::2, 40:60, 30:90] = True
    masks[::4, 200:203, 100:110] = True
    maps += masks + offset * (np.arange(16) % 4 == 3)[:, None, None].astype(np.float32)
    evaluator = Evaluator()
    for k in range(16):
        picture = result(f"c{k % 2}", is_defect=bool(masks[k].any()), score=float(k))
        evaluator.add(picture, map=maps[k], mask=masks[k])
    return evaluator, maps, masks


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_many_pixels_are_judged_to_a_thousandth_and_said(offset: float) -> None:
    evaluator, maps, masks = large_test_set(offset=offset)
    evaluation = evaluator.finish()
    mixed = evaluation.mixed
    assert mixed.pixel_auroc == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-3)
    expected = average_precision_score(masks.ravel(), maps.ravel())
    assert mixed.pixel_ap == pytest.approx(expected, abs=1e-3)
    for limit, figure in [(0.3, mixed.aupro), (0.05, mixed.aupro_strict)]:
        assert figure == pytest.approx(aupro(list(maps), list(masks), fpr_limit=limit), abs=1e-3)
    assert "adaptive bins, the mixed pixel AUROC within " in evaluation.protocol
    assert "adaptive bins" not in random_test_set(0).protocol


# --- curves ---


def points(trace: Trace | None) -> list[tuple[float, float]]:
    assert trace is not None
    return list(zip(trace.x, trace.y, strict=True))


def test_curves_are_those_of_each_category_and_of_all_mixed() -> None:
    evaluator = Evaluator()
    values = np.array([[0.0, 1.0], [2.0, 3.0]], dtype=np.float32)
    evaluator.add(result("b", is_defect=True, score=1.0), map=values, mask=values > 2)
    evaluator.add(result("b", is_defect=False, score=0.0), map=values)
    evaluator.add(result("a", is_defect=False, score=5.0))
    of_a, of_b, mixed = evaluator.curves()
    assert of_a == CategoryCurves("a", None, None, None, None, None)
    assert (of_b.category, mixed.category) == ("b", "")
    assert points(of_b.image_roc)[-2:] == [(0.0, 1.0), (1.0, 1.0)]
    assert points(mixed.image_roc) == [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (1.0, 1.0)]
    assert points(mixed.image_pr) == [(0.0, 0.5), (1.0, 0.5)]
    assert (1 / 7, 1.0) in points(of_b.pixel_roc)
    assert of_b.region_recall == of_b.pixel_roc
    assert points(of_b.pixel_pr)[-1] == (1.0, 0.5)


def test_curves_of_many_pixels_are_short_and_dense_at_low_rates() -> None:
    evaluator, maps, masks = large_test_set(offset=0.0)
    trace = evaluator.curves()[-1].pixel_roc
    assert trace is not None
    assert len(trace.x) <= 200
    assert sum(x < 0.01 for x in trace.x) >= 20
    area = np.trapezoid(trace.y, trace.x)
    assert area == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=2e-3)


def test_no_picture_has_no_curve() -> None:
    assert Evaluator().curves() == (CategoryCurves("", None, None, None, None, None),)
