"""From a tiny fitted model to figures, a result and a report."""

import json
import shutil
from pathlib import Path

import pytest
from cli_samples import TINY, Fitted, draw, make_products, run
from PIL import Image

from normalis.bundle import sealed
from normalis.bundle.sealed import file_digest
from normalis.evaluation import HONEST, PAPER, read_result
from normalis.report.thumbnails import Thumbnails


@pytest.fixture(scope="module")
def evaluated(fitted: Fitted, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A result and a report of it, and what the command printed."""
    out = tmp_path_factory.mktemp("evaluated")
    command = ["evaluate", fitted.model, fitted.data, "--out", out / "result"]
    return out, run(*command, "--report", out / "report")


def copy(data: Path, folder: Path) -> Path:
    return Path(shutil.copytree(data, folder / "data"))


def test_the_table_has_both_scores_and_both_protocols_under_it(
    evaluated: tuple[Path, list[str]],
) -> None:
    lines = evaluated[1]
    heads = [line.split()[:2] for line in lines if " honest " in line or " paper " in line]
    assert [head for head in heads if head[0] in ("bar", "disc", "mean")] == [
        [name, score] for name in ("bar", "disc", "mean") for score in ("honest", "paper")
    ]
    for protocol in (HONEST, PAPER):
        assert len([line for line in lines if line.startswith(protocol.sentence)]) == 1
    assert not any("skipped" in line or "left out" in line or "FAIR" in line for line in lines)


def test_the_result_is_whole_and_alone_in_its_folder(
    fitted: Fitted, evaluated: tuple[Path, list[str]]
) -> None:
    out, lines = evaluated
    assert f"result: {out / 'result'}" in lines
    assert sorted(path.name for path in out.iterdir()) == ["report", "result"]
    assert sorted(path.name for path in (out / "result").iterdir()) == ["pictures", "result.json"]
    result = read_result(out / "result")
    assert [picture.category for picture in result.pictures] == ["bar"] * 4 + ["disc"] * 4
    for picture in result.pictures:
        for name in (picture.picture, picture.heat):
            with Image.open(out / "result" / str(name)) as image:
                assert image.size == picture.shown == (72, 64)


def test_the_report_of_a_result_is_that_of_the_evaluation(
    evaluated: tuple[Path, list[str]], tmp_path: Path
) -> None:
    out, lines = evaluated
    assert lines[-1] == f"report: {out / 'report' / 'index.html'}"
    page = tmp_path / "site" / "index.html"
    assert run("report", out / "result", "--out", tmp_path / "site") == [
        f"open {page} in a browser"
    ]
    assert page.read_bytes() == (out / "report" / "index.html").read_bytes()
    assert read_result(tmp_path / "site") == read_result(out / "result")


def test_a_table_alone_writes_nothing(fitted: Fitted, tmp_path: Path) -> None:
    before = sorted(fitted.model.parent.rglob("*"))
    lines = run("evaluate", fitted.model, fitted.data)
    assert any(line.startswith("mean ") for line in lines)
    assert not any(line.startswith(("result: ", "report: ")) for line in lines)
    assert sorted(fitted.model.parent.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []


def test_each_file_of_the_model_is_compared_with_its_digest_once(
    fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def digest(path: Path) -> str:
        read.append(path.name)
        return file_digest(path)

    monkeypatch.setattr(sealed, "file_digest", digest)
    run("evaluate", fitted.model, fitted.data)
    others = [path.name for path in fitted.model.iterdir() if path.name != "manifest.json"]
    assert sorted(read) == sorted(others)


def test_a_report_alone_is_a_result_too(fitted: Fitted, tmp_path: Path) -> None:
    lines = run("evaluate", fitted.model, fitted.data, "--report", tmp_path / "report")
    assert lines[-1] == f"report: {tmp_path / 'report' / 'index.html'}"
    assert len(read_result(tmp_path / "report").pictures) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_what_is_skipped_or_left_out_is_said(fitted: Fitted, tmp_path: Path) -> None:
    data = copy(fitted.data, tmp_path)
    (data / "bar/test/good/000.png").write_text("no picture")
    (data / "disc/ground_truth/spot/001_mask.png").unlink()
    lines = run("evaluate", fitted.model, data)
    assert "skipped: 1" in lines
    assert any("bar/test/good/000.png: " in line for line in lines)
    assert lines[-1] == ("left out of the pixel figures: 1 defect picture without a usable mask")


def test_a_class_without_defects_is_not_defined_and_it_is_said(
    fitted: Fitted, tmp_path: Path
) -> None:
    data = copy(fitted.data, tmp_path)
    shutil.rmtree(data / "bar/test/spot")
    lines = run("evaluate", fitted.model, data)
    (bar,) = [line for line in lines if line.split()[:2] == ["bar", "honest"]]
    assert bar.split()[2:] == ["2", "0", *["n/a"] * 6]
    assert "n/a is not defined, and not in the mean: no defect pictures in bar." in lines


def test_seen_pictures_are_refused_and_an_earlier_result_stays(
    fitted: Fitted, tmp_path: Path
) -> None:
    data, out = copy(fitted.data, tmp_path), tmp_path / "result"
    run("evaluate", fitted.model, fitted.data, "--out", out)
    before = (out / "result.json").read_bytes()
    shutil.copy(data / "bar/train/good/003.png", data / "bar/test/good/007.png")
    command = ["evaluate", fitted.model, data, "--out", out]
    line = run(*command, fails=2)[-1]
    assert "error: " in line
    assert "1 of these 9 test pictures, as bar/test/good/007.png (" in line
    assert (out / "result.json").read_bytes() == before
    names = {path.name for path in tmp_path.iterdir()}
    assert names - {"cache"} == {"data", "result"}
    lines = run(*command, "--allow-seen")
    assert any(line.startswith("NOT A FAIR TEST: ") for line in lines)
    assert [seen.name for seen in read_result(out).seen] == ["bar/test/good/007.png"]


def test_a_full_disk_leaves_nothing(
    fitted: Fitted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def fail(*_: object, number: int, **_more: object) -> None:
        drawn.append(number)
        if number == 3:
            raise OSError(28, "No space left on device", "3-heat.webp")

    monkeypatch.setattr(Thumbnails, "draw", fail)
    command = ["evaluate", fitted.model, fitted.data]
    lines = run(*command, "--out", tmp_path / "a", "--report", tmp_path / "b", fails=2)
    assert lines[-1].startswith("error: 3-heat.webp: No space left on device. Make room there")
    assert drawn == [1, 2, 3]
    assert list(tmp_path.iterdir()) == []


def test_nothing_but_a_result_is_replaced(fitted: Fitted, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("dear")
    lines = run("evaluate", fitted.model, fitted.data, "--out", tmp_path, fails=2)
    assert lines == [line for line in lines if "choose another folder" in line]
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--report", "file"], "file: is already there, and is no folder"),
        (["--report", "circle"], "circle: is already there, and is no folder"),
        (["--out", "new", "--report", "mine"], "index.html: is already there, and not of a"),
        (["--out", "both", "--report", "./both"], "give --report alone, or two folders"),
        (["--out", "file/result"], "file: File exists. It is no folder; choose another name."),
        (["--out", "w" * 300], f"{'w' * 300}: File name too long."),
    ],
)
def test_a_place_that_cannot_be_is_refused_before_the_work(
    fitted: Fitted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/index.html").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    lines = run("evaluate", fitted.model, fitted.data, *options, fails=2)
    assert len(lines) == 1
    assert words in lines[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_as_long_as_can_be_is_no_mistake(fitted: Fitted, tmp_path: Path) -> None:
    out = tmp_path / ("w" * 255)
    assert f"result: {out}" in run("evaluate", fitted.model, fitted.data, "--out", out)


def test_evaluate_needs_labels(fitted: Fitted, tmp_path: Path) -> None:
    draw(tmp_path / "1.png", kind="disc", seed=1)
    lines = run("evaluate", fitted.model, tmp_path, fails=2)
    assert "labelled test pictures" in lines[-1]


@pytest.mark.parametrize("schema", [0, 2])
def test_a_result_of_another_format_is_refused(
    evaluated: tuple[Path, list[str]], tmp_path: Path, schema: int
) -> None:
    result = Path(shutil.copytree(evaluated[0] / "result", tmp_path / "result"))
    tree = json.loads((result / "result.json").read_text())
    (result / "result.json").write_text(json.dumps({**tree, "schema": schema}))
    lines = run("report", result, "--out", tmp_path / "site", fails=2)
    assert f"{result / 'result.json'}: this result has format {schema}" in lines[-1]
    assert not (tmp_path / "site").exists()


def test_the_demo_ends_in_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_products(tmp_path / "examples" / "pictures", good=12)
    monkeypatch.chdir(tmp_path)
    size = ["--set", "preparation.height=64", "--set", "preparation.width=64"]
    lines = run("demo", "--out", "deep/demo", *size, *TINY[2:4], *TINY[6:])
    assert lines[-1] == f"open {Path('deep/demo/index.html')} in a browser"
    out = tmp_path / "deep" / "demo"
    assert (out / "index.html").is_file()
    assert (out / "demo-model" / "manifest.json").is_file()
    assert len(read_result(out).pictures) == 8
