"""A result's folder: what is read is what was written, and nothing else is read."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from result_samples import make_judged, make_result, write_thumbnails

from normalis.errors import ResultError
from normalis.evaluation import SCHEMA, Stage, read_result, write_result
from normalis.evaluation.folder import RESULT, holds_result, move_result, require_place


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_result(make_result(), write_thumbnails(tmp_path / "result"))
    return tmp_path / "result"


def change(folder: Path, act: Callable[[dict[str, Any]], None]) -> None:
    tree = json.loads((folder / RESULT).read_text())
    act(tree)
    (folder / RESULT).write_text(json.dumps(tree))


def refusal(folder: Path) -> str:
    with pytest.raises(ResultError) as caught:
        read_result(folder)
    assert str(folder) in str(caught.value)
    return str(caught.value)


# --- round trip ---


def test_what_is_read_is_what_was_written(folder: Path) -> None:
    assert read_result(folder) == make_result()


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_float_comes_back_exactly(folder: Path, value: float) -> None:
    result = replace(make_result(), stages=(Stage("any", value),))
    write_result(result, folder)
    assert read_result(folder) == result


def test_the_file_says_what_it_is_and_needs_no_python_to_be_read(folder: Path) -> None:
    tree = json.loads((folder / RESULT).read_text("ascii"))
    assert (tree["kind"], tree["schema"]) == ("normalis-result", SCHEMA)
    assert tree["pictures"][0]["score"] == 1 / 3


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_not_written(folder: Path, value: float) -> None:
    before = (folder / RESULT).read_bytes()
    with pytest.raises(ResultError, match=str(folder / RESULT)):
        write_result(make_result(replace(make_judged(), score=value)), folder)
    assert (folder / RESULT).read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["pictures", RESULT]


def test_no_thumbnails_are_no_mistake(tmp_path: Path) -> None:
    result = make_result(make_judged(picture=None, heat=None))
    write_result(result, tmp_path / "deep" / "er")
    assert read_result(tmp_path / "deep" / "er") == result


# --- damage ---


def test_a_folder_without_a_result_is_none(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        assert "not a normalis result" in refusal(place)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"{}", b'{"kind": "other"}', b"\xff", b"[" * 100_000]
)
def test_a_foreign_file_is_refused(folder: Path, content: bytes) -> None:
    (folder / RESULT).write_bytes(content)
    refusal(folder)


@pytest.mark.parametrize(
    ("schema", "todo"),
    [(SCHEMA + 1, "Install a newer normalis"), (SCHEMA - 1, "Make it again"), (None, "again")],
)
def test_another_format_is_refused(folder: Path, schema: int | None, todo: str) -> None:
    change(folder, lambda tree: tree.update(schema=schema))
    text = refusal(folder)
    assert f"has format {schema}, and this normalis reads format {SCHEMA}" in text
    assert todo in text


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", '"nan"', '"0.5"'])
def test_what_is_no_number_is_refused(folder: Path, value: str) -> None:
    text = (folder / RESULT).read_text()
    (folder / RESULT).write_text(text.replace('"seconds": 1.25', f'"seconds": {value}'))
    refusal(folder)


@pytest.mark.parametrize(
    "name",
    [
        *("../secret.webp", "/etc/hostname", "pictures/../../secret.webp", "pictures/link.webp"),
        *("pictures/missing.webp", "pictures/circle.webp", "a\0b", "x" * 5000, ".", ""),
        *(RESULT, "pictures/../" + RESULT),  # inside, but no thumbnail
    ],
)
@pytest.mark.parametrize("which", ["picture", "heat"])
def test_a_thumbnail_outside_the_folder_is_refused(folder: Path, name: str, which: str) -> None:
    (folder.parent / "secret.webp").write_text("mine")
    (folder / "pictures/link.webp").symlink_to(folder.parent / "secret.webp")
    (folder / "pictures/circle.webp").symlink_to("circle.webp")
    change(folder, lambda tree: tree["pictures"][0].update({which: name}))
    assert "missing or lies outside the result" in refusal(folder)


@pytest.mark.parametrize("name", ["score", "paper_score", "threshold"])
def test_a_score_that_no_statistics_can_hold_is_refused(folder: Path, name: str) -> None:
    change(folder, lambda tree: tree["pictures"][0].update({name: -1.7e308}))
    assert "has a score beyond 1e+100" in refusal(folder)


@pytest.mark.parametrize("which", ["picture", "heat", "shown"])
def test_half_a_thumbnail_is_refused(folder: Path, which: str) -> None:
    change(folder, lambda tree: tree["pictures"][0].update({which: None}))
    assert "pictures.0: nut/test/hole/1.png has not all of picture, heat" in refusal(folder)


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_that_no_float_holds_is_refused(folder: Path, digits: int) -> None:
    text = (folder / RESULT).read_text()
    (folder / RESULT).write_text(text.replace('"seconds": 1.25', f'"seconds": {"9" * digits}'))
    assert len(refusal(folder)) < 400


def test_a_wrong_type_is_named(folder: Path) -> None:
    change(folder, lambda tree: tree["model"].update(seed="three"))
    assert "model.seed: " in refusal(folder)
    change(folder, lambda tree: tree.pop("model"))
    assert "model: " in refusal(folder)


def test_a_curve_with_more_places_than_values_is_refused(folder: Path) -> None:
    change(folder, lambda tree: tree["curves"][0]["image_roc"].update(x=[0.5]))
    assert "A curve has 1 places and 3 values" in refusal(folder)


@given(st.binary(max_size=40), st.integers(0, 4000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_does_anything_but_load_or_be_refused(
    folder: Path, content: bytes, at: int
) -> None:
    write_result(make_result(), folder)
    original = (folder / RESULT).read_bytes()
    (folder / RESULT).write_bytes(original[:at] + content + original[at + len(content) :])
    with suppress(ResultError):
        read_result(folder)


# --- a result takes its place ---


def test_a_result_replaces_a_result_and_its_thumbnails(folder: Path, tmp_path: Path) -> None:
    new = write_thumbnails(tmp_path / "new")
    newer = replace(make_result(), data="other")
    write_result(newer, new)
    (folder / "pictures/09999-heat.webp").write_text("old")
    move_result(new, folder)
    assert read_result(folder) == newer
    assert not (folder / "pictures/09999-heat.webp").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_a_result_goes_into_an_empty_or_new_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    move_result(folder, tmp_path / "empty")
    move_result(tmp_path / "empty", tmp_path / "a" / "b")
    assert read_result(tmp_path / "a" / "b") == make_result()


def test_a_link_to_a_result_stays_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    new = write_thumbnails(tmp_path / "new")
    write_result(replace(make_result(), data="other"), new)
    move_result(new, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert read_result(folder).data == "other"


def test_nothing_but_a_result_is_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "pictures").mkdir()
    (tmp_path / "file").write_text("dear")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    for name in ("photos", "file", "dangling"):
        with pytest.raises(ResultError, match=name):
            require_place(tmp_path / name)
        with pytest.raises(ResultError, match=name):
            move_result(folder, tmp_path / name)
    (folder / "notes.txt").write_text("dear")
    assert holds_result(folder)
    with pytest.raises(ResultError, match="choose another folder"):
        require_place(folder)
    assert sorted(tmp_path.rglob("*")) == sorted([*before, folder / "notes.txt"])


def test_the_result_of_another_program_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "pictures").mkdir(parents=True)
    (other / RESULT).write_text('{"accuracy": 1.0}')
    assert not holds_result(other)
    with pytest.raises(ResultError, match="choose another folder"):
        move_result(folder, other)
    assert (other / RESULT).read_text() == '{"accuracy": 1.0}'
