"""`normalis sensitivity` on a tiny model."""

import json
from pathlib import Path

import pytest
from cli_samples import Fitted, run


def test_it_prints_a_sentence_for_each_product_and_kind(fitted: Fitted, tmp_path: Path) -> None:
    out = tmp_path / "card"
    kinds = ["--kinds", "dark spot, missing part", "--pictures", 2, "--places", 2]
    lines = run("sensitivity", fitted.model, fitted.data, "--out", out, "--far", 0.3, *kinds)
    tree = json.loads((out / "sensitivity.json").read_text())
    tested = [product for product in tree["products"] if product["curves"]]
    assert [product["name"] for product in tree["products"]] == ["bar", "disc"]
    sentences = [line for line in lines if line.startswith("on ")]
    assert len(sentences) == 2 * len(tested)
    assert set(sentences) <= set(tree["sentences"])
    assert all("9 times in 10 at " in line for line in sentences)
    assert any(line.startswith("false alarms: with ") for line in lines)
    assert lines[-1] == f"page: {out / 'sensitivity.html'}"
    assert (out / "sensitivity.html").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kinds", "dent"], 'error: There is no defect "dent" to plant; dark spot, '),
        (["--far", "2"], "error: far is 2.0; a rate between 0 and 1"),
        (["--layout", "round"], 'error: layout is "round"'),
    ],
)
def test_a_mistake_is_one_clear_line(
    fitted: Fitted, tmp_path: Path, options: list[str], message: str
) -> None:
    command = ["sensitivity", fitted.model, fitted.data, "--out", tmp_path / "card"]
    lines = run(*command, *options, fails=2)
    assert lines[-1].startswith(message)
    assert not (tmp_path / "card").exists()


def test_a_card_among_the_pictures_is_refused(fitted: Fitted) -> None:
    out = fitted.data / "card"
    lines = run("sensitivity", fitted.model, fitted.data, "--out", out, fails=2)
    assert lines[-1].startswith(f"error: {out}: lies among the pictures of {fitted.data}")
    assert not out.exists()


def test_a_model_that_is_none_is_refused(fitted: Fitted, tmp_path: Path) -> None:
    lines = run("sensitivity", tmp_path, fitted.data, "--out", tmp_path / "card", fails=2)
    assert "not a normalis model" in lines[-1]
    assert list(tmp_path.iterdir()) == []
