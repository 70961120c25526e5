"""The drawings: small, the same each time, in the page's colours, safe beside each other."""

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from site_samples import CLASSES, category_curves, sample_pictures, sample_result, trace

from normalis.evaluation.result import CategoryCurves, Positions
from normalis.report.plots import CURVES, curve_plot, position_plot, promise_plot, score_plot
from normalis.report.promise import PLOTTED, measured
from normalis.report.svg import PALETTE
from normalis.report.views import make_view

PICTURES = sample_pictures(30)
NUMBERS = {name: number for number, name in enumerate(CLASSES)}


def curves() -> list[CategoryCurves]:
    return [category_curves(name, PICTURES) for name in (*CLASSES, "")]


def many_curves(classes: int) -> tuple[list[CategoryCurves], dict[str, int]]:
    generator = np.random.default_rng(0)
    names = [f"class {number}" for number in range(classes)]
    made: list[CategoryCurves] = []
    for name in [*names, ""]:
        x, y = (np.sort(generator.random(200)) for _ in range(2))
        made.append(CategoryCurves(name, *[trace(x, y)] * 5))
    return made, {name: number for number, name in enumerate(names)}


def scores(*, threshold: float | None = 1.5, title: str = "Scores") -> str:
    return score_plot([0.1, 0.4, 0.9], [0.8, 3.0], name="s", title=title, threshold=threshold)


def all_drawings() -> dict[str, str]:
    found = {kind.field: str(curve_plot(kind, curves(), classes=NUMBERS)) for kind in CURVES}
    return found | {
        "scores": scores(),
        "promise": promise_plot(measured(PICTURES, PLOTTED)),
        "positions": position_plot(
            Positions((-2.0, 0.0, 2.0, 90.0), (5, 9, 1), (0, 0, 4)), name="p", title="Positions"
        ),
    }


@pytest.fixture(scope="module")
def drawings() -> dict[str, str]:
    return all_drawings()


@pytest.mark.parametrize(
    "name", [*(kind.field for kind in CURVES), "scores", "promise", "positions"]
)
def test_a_drawing_is_small_and_takes_its_colours_from_the_page(
    drawings: dict[str, str], name: str
) -> None:
    svg = drawings[name]
    assert ElementTree.fromstring(svg).get("aria-label")
    assert len(svg) < 20_000
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= {"#000000"}
    assert "<style" not in svg
    assert "var(--ink)" in svg


def test_the_same_drawing_has_the_same_bytes(drawings: dict[str, str]) -> None:
    assert all_drawings() == drawings


def test_drawings_share_a_page_without_sharing_an_id(drawings: dict[str, str]) -> None:
    ids = [one for svg in drawings.values() for one in re.findall(r' id="([^"]+)"', svg)]
    used = {one for svg in drawings.values() for one in re.findall(r"#([\w-]+)", svg)}
    assert len(ids) == len(set(ids))
    assert used <= set(ids)


def test_every_class_has_its_line_and_can_be_found() -> None:
    svg = curve_plot(CURVES[0], curves(), classes=NUMBERS)
    assert svg
    # Washers have no defect, so no curve.
    assert sorted(re.findall(r'data-class="(\d+)"', svg)) == ["0", "1"]
    assert {"var(--c0)", "var(--c1)"} <= set(re.findall(r"var\(--\w+\)", svg))


def test_forty_classes_stay_small_and_differ_in_colour_or_dashes() -> None:
    made, numbers = many_curves(40)
    svg = curve_plot(CURVES[0], made, classes=numbers)
    assert svg
    assert len(svg) < 60_000
    lines = re.findall(r'<g data-class="\d+">\s*<path.*?style="([^"]*)"', svg, re.DOTALL)
    assert len(lines) == 40
    assert len(set(lines)) == 40
    assert len({re.findall(r"--c\d", line)[0] for line in lines}) == PALETTE


def test_where_no_curve_is_defined_nothing_is_drawn() -> None:
    nothing = CategoryCurves("", None, None, None, None, None)
    assert [curve_plot(kind, [nothing], classes={}) for kind in CURVES] == [None] * len(CURVES)


@pytest.mark.parametrize(
    ("normal", "defect"), [([], [1.0]), ([2.0, 2.0], []), ([1.0], [1e12]), ([-3.0], [-3.0])]
)
def test_any_scores_can_be_drawn(normal: list[float], defect: list[float]) -> None:
    svg = score_plot(normal, defect, name="s", title="Scores", threshold=None)
    assert ElementTree.fromstring(svg) is not None


def test_far_scores_do_not_flatten_the_others() -> None:
    """The good pictures keep a good part of the width whatever the highest defect scores."""
    normal = [0.0, 1.0, 2.0]
    near, far = (
        score_plot(normal, [highest], name="s", title="Scores", threshold=None)
        for highest in (100.0, 1e9)
    )
    assert near == far


def test_a_threshold_is_a_line() -> None:
    assert scores().count("<path") == scores(threshold=None).count("<path") + 1


@pytest.mark.parametrize("others", [1.25, 2.5], ids=["one threshold", "two"])
def test_the_line_of_a_class_is_its_threshold_if_it_has_one(others: float, tmp_path: Path) -> None:
    made = sample_result(tmp_path, each=4, thumbnails=False)
    pictures = tuple(replace(one, threshold=others) for one in made.pictures)
    pictures = (replace(pictures[0], threshold=1.25), *pictures[1:])
    plot = make_view(replace(made, pictures=pictures)).scores[0]
    bolts = [one for one in pictures if one.category == plot.title]
    assert plot.svg == score_plot(
        [one.score for one in bolts if not one.is_defect],
        [one.score for one in bolts if one.is_defect],
        name=plot.name,
        title="Scores of bolt: 2 good and 2 defect pictures",
        threshold=1.25 if others == 1.25 else None,
    )


def test_a_title_cannot_break_out() -> None:
    svg = scores(title='"><script>\x00\x1b\udce9')
    assert ElementTree.fromstring(svg).get("aria-label") == '"><script>???'
