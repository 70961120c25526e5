"""The commands on a tiny fitted model, from pictures to files."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from cli_samples import TINY, Fitted, draw, make_products, run
from PIL import Image


def answers(out: Path) -> list[dict[str, str]]:
    with (out / "answers.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def lines_of(out: Path) -> list[str]:
    return (out / "answers.jsonl").read_text().splitlines()


def test_fit_says_what_it_did_and_what_comes_next(fitted: Fitted) -> None:
    text = "\n".join(fitted.lines)
    assert "learned from " in text
    assert "concepts found: " in text
    assert "lowest false-alarm rate that can be promised" in text
    assert f"model: {fitted.model} (took " in text
    assert fitted.lines[-1] == f"next: normalis score {fitted.model} PICTURES --out answers"
    assert "training: " in text


def test_fit_does_not_touch_a_model_that_is_there(fitted: Fitted) -> None:
    before = sorted((p.name, p.stat().st_mtime_ns) for p in fitted.model.iterdir())
    lines = run("fit", fitted.data, "--out", fitted.model, *TINY, fails=2)
    assert "--overwrite" in lines[-1]
    assert sorted((p.name, p.stat().st_mtime_ns) for p in fitted.model.iterdir()) == before


def test_score_writes_answers_heat_maps_and_raw_maps(fitted: Fitted, tmp_path: Path) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    draw(pictures / "a" / "1.png", kind="disc", seed=1)
    draw(pictures / "b" / "1.png", kind="bar", seed=2, defect=True)
    (pictures / "broken.png").write_text("no picture")
    lines = run("score", fitted.model, pictures, "--out", out, "--raw", "npy", "--threads", 1)
    rows = answers(out)
    assert [Path(row["path"]).relative_to(pictures).as_posix() for row in rows] == [
        "broken.png",
        "a/1.png",
        "b/1.png",
    ]
    assert [json.loads(line)["path"] for line in lines_of(out)] == [row["path"] for row in rows]
    assert [row["decision"] == "skipped" for row in rows] == [True, False, False]
    for row in rows[1:]:
        values = np.load(out / row["raw_map"])
        assert (values.shape, values.dtype) == ((64, 72), np.float32)
        assert values[int(row["peak_row"]), int(row["peak_col"])] == values.max()
        assert 0 < float(row["p_value"]) <= 1
        with Image.open(out / row["overlay"]) as image:
            assert image.size == (72, 64)
    assert any(line.startswith("scored 2 pictures: ") and "skipped 1" in line for line in lines)
    assert any("broken.png: " in line for line in lines)
    assert lines[-1] == f"answers: {out / 'answers.csv'}"


def test_answers_beside_the_pictures_are_not_scored(fitted: Fitted, tmp_path: Path) -> None:
    draw(tmp_path / "1.png", kind="disc", seed=1)
    for _ in range(2):
        lines = run("score", fitted.model, tmp_path, "--out", tmp_path, "--raw", "tiff")
        assert any(line.startswith(f"{tmp_path}: lies among the pictures") for line in lines)
    assert [row["path"] for row in answers(tmp_path)] == [str(tmp_path / "1.png")]


def test_score_again_gives_the_same_answers(fitted: Fitted, tmp_path: Path) -> None:
    picture = draw(tmp_path / "1.png", kind="disc", seed=1)
    files: list[bytes] = []
    for _ in range(2):
        run("score", fitted.model, picture, "--out", tmp_path / "out", "--no-overlays")
        files.append((tmp_path / "out" / "answers.jsonl").read_bytes())
    assert files[0] == files[1]
    assert not (tmp_path / "out" / "overlays").exists()


@pytest.mark.parametrize("option", [["--far", "0"], ["--far", "nan"], ["--device", "abacus"]])
def test_a_wrong_wish_leaves_earlier_answers_alone(
    option: list[str], fitted: Fitted, tmp_path: Path
) -> None:
    picture = draw(tmp_path / "1.png", kind="disc", seed=1)
    run("score", fitted.model, picture, "--out", tmp_path / "out", "--no-overlays")
    run("score", fitted.model, picture, "--out", tmp_path / "out", *option, fails=2)
    assert len(answers(tmp_path / "out")) == 1


def test_strict_stops_and_leaves_no_table(fitted: Fitted, tmp_path: Path) -> None:
    draw(tmp_path / "in" / "1.png", kind="disc", seed=1)
    (tmp_path / "in" / "2.png").write_text("no picture")
    out = tmp_path / "out"
    lines = run("score", fitted.model, tmp_path / "in", "--out", out, "--strict", fails=2)
    assert lines[-1].startswith(f"error: {tmp_path / 'in' / '2.png'}: ")
    assert not out.exists()


def test_a_lower_far_is_never_laxer(fitted: Fitted, tmp_path: Path) -> None:
    picture = draw(tmp_path / "1.png", kind="disc", seed=1)
    thresholds: list[float] = []
    for far in ("0.5", "0.2"):
        run("score", fitted.model, picture, "--out", tmp_path, "--far", far, "--no-overlays")
        thresholds.append(float(answers(tmp_path)[0]["threshold"]))
    assert thresholds[0] <= thresholds[1]


def test_info_says_what_the_model_is(fitted: Fitted) -> None:
    lines = run("info", fitted.model)
    assert lines[0].startswith(f"model:        {fitted.model} (")
    assert "  training.least_steps = 4" in lines
    assert any(line.startswith("backbone:     embedded") for line in lines)
    tree = json.loads("\n".join(run("info", fitted.model, "--json")))
    assert tree["manifest"]["size"] == [64, 64]
    assert tree["path"] == str(fitted.model)


def test_a_flipped_byte_is_found(fitted: Fitted, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    copy.mkdir()
    for path in fitted.model.iterdir():
        content = bytearray(path.read_bytes())
        if path.suffix == ".safetensors":
            content[len(content) // 2] ^= 1
        (copy / path.name).write_bytes(content)
    for command in (["info", copy], ["score", copy, fitted.data, "--out", tmp_path / "out"]):
        assert run(*command, fails=2)[-1].startswith(f"error: {copy}")
    assert not (tmp_path / "out").exists()


def test_data_check_counts_and_names_what_is_wrong(tmp_path: Path) -> None:
    data = make_products(tmp_path / "data", good=3)
    (data / "bar/train/good/broken.png").write_text("no picture")
    (data / "bar/train/good/copy.png").write_bytes((data / "bar/train/good/000.png").read_bytes())
    text = "\n".join(run("data", "check", data))
    assert "layout: mvtec; 16 pictures" in text
    assert "pictures that cannot be read: 1\n  bar/train/good/broken.png: " in text
    assert "bar/train/good/000.png = bar/train/good/copy.png" in text
    assert "72x64 (15)" in text


def test_data_check_is_content_with_a_good_set(tmp_path: Path) -> None:
    data = make_products(tmp_path / "data", good=2)
    assert run("data", "check", data)[-1] == "nothing wrong was found"
    lines = run("data", "check", data, "--json")
    tree = json.loads("\n".join(lines[lines.index("{") :]))
    assert (tree["layout"], tree["pictures"], tree["unreadable"]) == ("mvtec", 12, [])


def test_the_cache_is_listed_and_cleared(fitted: Fitted) -> None:
    cache = fitted.model.parent / "cache"
    listed = run("cache", "list", "--cache", cache)
    assert any("lite0" in line and "height=64" in line for line in listed)
    assert run("cache", "clear", "--cache", cache, "--yes")[-1].endswith(" freed")
    assert run("cache", "list", "--cache", cache) == [f"{cache}: no features are stored here"]


def test_cache_alone_lists_and_clearing_asks(own_cache: Path) -> None:
    assert run("cache") == [f"{own_cache}: no features are stored here"]
    assert "Remove all stores" in run("cache", "clear", fails=1)[0]


def test_score_takes_a_manifest_in_the_order_of_its_rows(fitted: Fitted, tmp_path: Path) -> None:
    for name in ("b.png", "a.png", "c.png"):
        draw(tmp_path / "in" / name, kind="disc", seed=1, defect=name == "b.png")
    table = tmp_path / "in" / "table.csv"
    table.write_text("path,label,split\nc.png,1,test\na.png,good,train\ngone.png,,\nb.png,,\n")
    lines = run("score", fitted.model, table, "--out", tmp_path / "out")
    rows = answers(tmp_path / "out")
    assert [row["path"] for row in rows] == [str(tmp_path / "in" / f"{n}.png") for n in "cab"]
    assert [row["overlay"] for row in rows] == [f"overlays/{name}.png.png" for name in "cab"]
    assert lines[0] == "table.csv: 1 pictures do not exist and were left out (gone.png)."


def test_names_that_a_terminal_would_obey_are_escaped(fitted: Fitted, tmp_path: Path) -> None:
    path = tmp_path / "in" / "one\ntwo\x1b[31m.png"
    path.parent.mkdir()
    path.write_text("no picture")
    lines = run("score", fitted.model, path.parent, "--out", tmp_path / "out")
    assert any("one\\ntwo\\x1b[31m.png: this is not a picture" in line for line in lines)
    assert answers(tmp_path / "out")[0]["path"] == str(path)
