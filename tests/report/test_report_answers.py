"""Tables of answers: complete when they bear their names, and absent otherwise."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from report_samples import RANGE, hot_map, make_result

from normalis.errors import ResultError
from normalis.report.answers import Answer, AnswerWriter
from normalis.results import Result, Skipped

COLUMNS = [
    *("path", "score", "p_value", "decision", "far_promised", "threshold", "concept"),
    *("concept_name", "concept_probability", "group"),
    *("peak_row", "peak_col", "peak_value", "box_x0", "box_y0", "box_x1", "box_y1"),
    *("overlay", "raw_map", "restored", "reason"),
]


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "answers.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def lines(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]


def files(out: Path) -> set[str]:
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def writer(tmp_path: Path) -> AnswerWriter:
    return AnswerWriter(tmp_path / "out", root=tmp_path, map_range=RANGE)


def add(answers: AnswerWriter, result: Result | Skipped) -> Answer:
    answer = answers.draw(result)
    answers.add(answer)
    return answer


def test_a_row_says_everything(tmp_path: Path) -> None:
    result = make_result(tmp_path / "b" / "a.png", values=hot_map(), is_anomaly=True)
    with writer(tmp_path) as answers:
        add(answers, result)
    expected: dict[str, object] = {
        "path": str(tmp_path / "b" / "a.png"),
        "score": 2.5,
        "p_value": 0.25,
        "decision": "defect",
        "far_promised": 0.1,
        "threshold": 2.0,
        "concept": 3,
        "concept_name": "bolt",
        "concept_probability": 0.75,
        "group": "global",
        "peak_row": 8,
        "peak_col": 10,
        "peak_value": 5.0,
        "box_x0": 10,
        "box_y0": 8,
        "box_x1": 16,
        "box_y1": 12,
        "overlay": "overlays/b/a.png.png",
        "raw_map": None,
        "restored": None,
        "reason": None,
    }
    assert lines(tmp_path / "out") == [expected]
    assert list(rows(tmp_path / "out")[0]) == COLUMNS
    assert rows(tmp_path / "out")[0] == {
        name: "" if value is None else str(value) for name, value in expected.items()
    }
    with Image.open(tmp_path / "out" / "overlays/b/a.png.png") as image:
        assert image.size == (32, 24)


def test_a_picture_without_a_mark_has_no_box(tmp_path: Path) -> None:
    with writer(tmp_path) as answers:
        answer = add(answers, make_result(tmp_path / "a.png"))
    assert (answer.decision, answer.box_x0, answer.box_y1) == ("good", None, None)


def test_a_skipped_picture_has_its_reason(tmp_path: Path) -> None:
    with writer(tmp_path) as answers:
        add(answers, Skipped(tmp_path / "a.png", "a.png: cut short, or\ndamaged"))
        add(answers, make_result(tmp_path / "b.png"))
    first, second = rows(tmp_path / "out")
    assert (first["decision"], first["reason"]) == ("skipped", "a.png: cut short, or\ndamaged")
    assert first["score"] == first["overlay"] == ""
    assert second["reason"] == ""
    assert [line["decision"] for line in lines(tmp_path / "out")] == ["skipped", "good"]


def test_tables_are_named_when_they_are_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with writer(tmp_path) as answers:
        add(answers, Skipped(tmp_path / "a.png", "damaged"))
        assert files(out) == {"answers.csv.partial", "answers.jsonl.partial"}
        assert "damaged" in (out / "answers.jsonl.partial").read_text()
    assert files(out) == {"answers.csv", "answers.jsonl"}


def test_a_new_run_begins_by_taking_the_old_tables_away(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with writer(tmp_path) as answers:
        add(answers, Skipped(tmp_path / "a.png", "damaged"))
    (out / "notes.txt").write_text("the user's own")
    with writer(tmp_path):
        assert files(out) == {"answers.csv.partial", "answers.jsonl.partial", "notes.txt"}
    assert lines(out) == []


def test_a_failed_run_leaves_no_table(tmp_path: Path) -> None:
    with writer(tmp_path):
        pass
    with pytest.raises(ValueError, match="subpath"), writer(tmp_path) as answers:
        add(answers, make_result(Path("/elsewhere/a.png")))
    assert files(tmp_path / "out") == set()


def test_no_two_pictures_share_a_file(tmp_path: Path) -> None:
    names = ["a.png", "a.jpg", "b/a.png", "c/a.png", "x" * 240 + "1.png", "x" * 240 + "2.png"]
    with writer(tmp_path) as answers:
        found = [add(answers, make_result(tmp_path / name)).overlay for name in names]
    assert len(set(found)) == len(names)
    assert files(tmp_path / "out") == {*map(str, found), "answers.csv", "answers.jsonl"}


def test_nothing_is_written_outside_the_folder(tmp_path: Path) -> None:
    inside = AnswerWriter(tmp_path / "out", root=tmp_path / "root", map_range=RANGE)
    with pytest.raises(ValueError, match="subpath"), inside as answers:
        add(answers, make_result(tmp_path / "root" / ".." / "a.png"))
    assert files(tmp_path) == set()


def test_a_name_that_is_not_text_keeps_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    with writer(tmp_path) as answers:
        add(answers, make_result(path))
    assert rows(tmp_path / "out")[0]["path"] == lines(tmp_path / "out")[0]["path"] == str(path)


def test_without_heat_maps_only_the_tables_are_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with AnswerWriter(out, root=tmp_path, map_range=RANGE, overlays=False) as answers:
        assert add(answers, make_result(tmp_path / "a.png")).overlay is None
    assert files(out) == {"answers.csv", "answers.jsonl"}


def test_restored_pictures_are_written_where_there_are_any(tmp_path: Path) -> None:
    result = make_result(tmp_path / "b" / "a.png")
    size = (*result.map.shape, 3)
    picture = np.random.default_rng(0).integers(0, 255, size).astype(np.uint8)
    with writer(tmp_path) as answers:
        answer = add(answers, replace(result, restored=picture))
        assert add(answers, result).restored is None
    assert answer.restored == "restored/b/a.png.png"
    with Image.open(tmp_path / "out" / answer.restored) as written:
        assert np.array_equal(np.asarray(written), picture)


def test_raw_maps_are_exact_as_npy(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with AnswerWriter(out, root=tmp_path, map_range=RANGE, raw="npy") as answers:
        answer = add(answers, make_result(tmp_path / "b" / "a.png", values=hot_map()))
    assert answer.raw_map == "maps/b/a.png.npy"
    assert np.array_equal(np.load(out / answer.raw_map), hot_map())


def test_raw_maps_share_one_range_as_tiff(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with AnswerWriter(out, root=tmp_path, map_range=RANGE, raw="tiff") as answers:
        answer = add(answers, make_result(tmp_path / "a.png", values=hot_map()))
    with tifffile.TiffFile(out / str(answer.raw_map)) as file:
        stored, description = file.asarray(), json.loads(file.pages[0].description)  # pyright: ignore[reportAttributeAccessIssue]
    assert description == {"low": -1.0, "high": 15.0}
    back = stored / 65535 * 16.0 - 1.0
    assert np.abs(back - hot_map()).max() < 16.0 / 65535


@pytest.mark.skipif(os.name == "nt", reason="folders are not held there")
def test_one_run_at_a_time_writes_into_a_folder(tmp_path: Path) -> None:
    with writer(tmp_path) as first:
        add(first, make_result(tmp_path / "a.png"))
        with pytest.raises(ResultError, match=r"out: another run writes its answers here"):
            writer(tmp_path).__enter__()
        add(first, make_result(tmp_path / "b.png"))
    assert len(rows(tmp_path / "out")) == 2
    with writer(tmp_path):
        pass
    assert rows(tmp_path / "out") == []


def test_what_a_killed_run_left_half_written_goes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("overlays/a/.1.png.png.77.tmp", "overlays/.mine.tmp", "maps/.2.npy.8.tmp"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()
    with writer(tmp_path):
        pass
    assert len(files(out)) == 2 + 3, "no run was killed here"
    (out / "answers.csv.partial").touch()
    with writer(tmp_path):
        pass
    assert files(out) == {"answers.csv", "answers.jsonl", "overlays/.mine.tmp"}
