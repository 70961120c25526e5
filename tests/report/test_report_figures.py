"""The JSON twin of an evaluation."""

import json
from pathlib import Path

import pytest
from report_samples import evaluation

from normalis.evaluation import ImageResult
from normalis.report.figures import FIGURES_FORMAT, write_figures


def write(path: Path, score: float = 1 / 3) -> None:
    write_figures(
        path,
        honest=evaluation("pill", value=1 / 3),
        paper=evaluation("pill", value=None, protocol="paper"),
        images=[ImageResult("pill/a.png", "pill", is_defect=True, score=score)],
        skipped=[("b.png", "b.png: damaged")],
    )


def test_every_figure_is_there_exactly(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "figures.json"
    write(path)
    tree = json.loads(path.read_text())
    assert tree["format"] == FIGURES_FORMAT
    assert tree["honest"]["classes"]["pill"]["image_auroc"] == 1 / 3
    assert tree["honest"]["mixed"]["images"] == 10
    assert tree["paper"]["mean"]["aupro"] is None
    assert tree["paper"]["protocol"] == "paper"
    assert tree["images"][0] == {
        "name": "pill/a.png",
        "category": "pill",
        "is_defect": True,
        "score": 1 / 3,
        "paper_score": None,
    }
    assert tree["skipped"] == [{"name": "b.png", "reason": "b.png: damaged"}]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "figures.json").mkdir()
    with pytest.raises(OSError, match=r"figures\.json"):
        write(tmp_path / "figures.json")
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]
