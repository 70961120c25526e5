"""A labelled test set in one folder."""

import csv
from pathlib import Path

from report_samples import BrightnessScorer, save_grey

from normalis.datasets.layouts import open_dataset
from normalis.progress import Silent
from normalis.report.testset import report_test_set


def make_dataset(root: Path) -> Path:
    save_grey(root / "pill/train/good/0.png", 50)
    save_grey(root / "pill/test/good/dark.png", 60)
    save_grey(root / "pill/test/good/bright.png", 200)
    save_grey(root / "pill/test/crack/bright.png", 210)
    save_grey(root / "pill/test/crack/dark.png", 40)
    (root / "pill/test/crack/broken.png").write_text("no picture")
    return root


def test_the_folder_holds_answers_heat_maps_and_the_page(tmp_path: Path) -> None:
    dataset = open_dataset(make_dataset(tmp_path / "data"))
    out = tmp_path / "out"
    page = report_test_set(BrightnessScorer(), dataset, out=out, observer=Silent())
    with (out / "answers.csv").open(newline="") as file:
        rows = {row["path"].split("test/")[1]: row for row in csv.DictReader(file)}
    assert {name: row["decision"] for name, row in rows.items()} == {
        "good/dark.png": "good",
        "good/bright.png": "defect",
        "crack/bright.png": "defect",
        "crack/dark.png": "good",
        "crack/broken.png": "skipped",
    }
    assert (out / "overlays/pill/test/crack/dark.png.png").is_file()
    text = page.read_text("utf-8")
    assert [text.count(f"{verdict}</p>") for verdict in ("Missed defect", "False alarm")] == [1, 1]
    assert "broken.png" not in text
