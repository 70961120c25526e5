"""HGAD by its presets: what answers say of the class, and what the published form refuses."""

import csv
from pathlib import Path

import pytest
from cli_samples import draw, make_products, run

SMALL = [
    *("--set", "training.least_steps=4", "--epochs", "1", "--set", "training.batch_size=4"),
    *("--set", "calibration.share=0.3", "--set", "hgad.blocks=2", "--set", "hgad.position_width=8"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_products(tmp_path_factory.mktemp("data"))


def test_answers_name_the_category_and_how_sure_it_is(data: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    told = ["--preset", "hgad", "--set", "hgad.labels=categories", "--size", "64"]
    lines = run("fit", data, "--out", model, *told, *SMALL, "--set", "hgad.memory=8")
    assert any(line.startswith("categories learned: 2, with bar ") for line in lines)
    picture = draw(tmp_path / "1.png", kind="disc", seed=1)
    run("score", model, picture, "--out", out)
    with (out / "answers.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["concept_name"] == "disc"
    assert 0.5 < float(row["concept_probability"]) <= 1


def test_the_published_form_is_fitted_and_evaluated_but_scores_nothing(
    data: Path, tmp_path: Path
) -> None:
    model, out = tmp_path / "model", tmp_path / "out"
    small = ["--set", "backbone.name=embedded", "--set", "backbone.maps=[3]", "--size", "128"]
    fitted = run("fit", data, "--out", model, "--preset", "hgad-paper", *small, *SMALL)
    assert fitted[-1] == f"next: normalis evaluate {model} TESTSET"
    table = run("evaluate", model, data)
    assert any(line.split()[:5] == ["mean", "honest", "8", "4", "n/a"] for line in table)
    assert any(line.startswith("honest protocol: no figures.") for line in table)
    earlier = out / "answers.csv"
    out.mkdir()
    earlier.write_text("path,score\n", encoding="utf-8")
    refusal = run("score", model, data / "bar/test/good", "--out", out, fails=2)
    assert "no picture has one of its own" in refusal[-1]
    assert earlier.read_text(encoding="utf-8") == "path,score\n"
