"""The folder of a report: complete, self-contained, honest, and proof against odd names."""

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_samples import Page
from site_samples import ODD, odd_result, sample_pictures, sample_result

from normalis.errors import ResultError
from normalis.evaluation.folder import read_result
from normalis.evaluation.result import Result, Seen
from normalis.report.cards import card_data
from normalis.report.site import require_site, write_report


def write(result: Result, source: Path, out: Path) -> Page:
    return Page(write_report(result, source=source, out=out).read_text("utf-8"))


def words(page: Page) -> str:
    """The page's text with single, plain spaces."""
    return " ".join(page.words.replace("\N{NO-BREAK SPACE}", " ").split())


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def broken_links(page: Page, out: Path) -> list[str]:
    """Those that lead neither to a file of the folder nor to a place of the page."""
    local = [link for link in page.links if link != "data:,"]
    return [
        link
        for link in local
        if not (link[1:] in page.ids if link.startswith("#") else (out / unquote(link)).is_file())
    ]


@dataclass(frozen=True)
class Written:
    result: Result
    source: Path
    out: Path
    page: Page


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The sample's report, for reading only."""
    source, out = (tmp_path_factory.mktemp(name) for name in ("result", "out"))
    result = sample_result(source)
    return Written(result, source, out, write(result, source, out))


def test_the_folder_needs_nothing_else(written: Written) -> None:
    assert broken_links(written.page, written.out) == []
    found = files(written.out)
    names = {name.split("/")[0] for name in found}
    assert names == {"index.html", "pictures", "plots", "result.json", "script.js", "style.css"}
    for name, content in found.items():
        if name.endswith((".html", ".js", ".css")):
            addresses = re.findall(rb"https?://[^\s\"']+", content)
            assert set(addresses) <= {b"http://www.w3.org/2000/svg"}, name


def test_every_picture_is_there_with_its_words(written: Written) -> None:
    data = json.loads(written.page.data)
    cards = [dict(zip(data["columns"], row, strict=True)) for row in data["rows"]]
    assert [card["name"] for card in cards] == [one.name for one in written.result.pictures]
    names = [card[kind] for card in cards for kind in ("picture", "heat")]
    assert all((written.out / unquote(name)).is_file() for name in names)
    images = written.page.images
    assert len(images) == 4 * 4  # of each concept
    assert all(image["alt"] and image["loading"] == "lazy" for image in images)
    assert all(image["width"] and image["height"] for image in images)


def test_ids_are_unique(written: Written) -> None:
    assert sorted(written.page.ids) == sorted(set(written.page.ids))


def test_the_twin_is_the_result(written: Written) -> None:
    assert read_result(written.out) == written.result


def test_the_same_result_gives_the_same_bytes(written: Written, tmp_path: Path) -> None:
    write(written.result, written.source, tmp_path)
    once = files(tmp_path)
    assert once == files(written.out)
    write(written.result, written.source, tmp_path)  # over what is there
    assert once == files(tmp_path)


def test_a_report_may_be_written_beside_its_own_pictures(tmp_path: Path) -> None:
    result = sample_result(tmp_path)
    before = files(tmp_path)
    page = write(result, tmp_path, tmp_path)
    assert broken_links(page, tmp_path) == []
    assert before.items() <= files(tmp_path).items()


def test_without_thumbnails_there_is_still_a_report(tmp_path: Path) -> None:
    page = write(sample_result(tmp_path, each=4, thumbnails=False), tmp_path, tmp_path / "out")
    assert broken_links(page, tmp_path / "out") == []
    assert page.images == []


@pytest.mark.parametrize(
    "name", ["pictures/gone.webp", "../secret.webp", "/etc/hostname", "a/../b"]
)
def test_a_thumbnail_that_is_not_in_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    source = tmp_path / "result"
    result = sample_result(source)
    (tmp_path / "secret.webp").write_bytes(b"not for the report")
    wrong = replace(result.pictures[0], heat=name)
    with pytest.raises(ResultError, match=re.escape(repr(name))):
        write_report(
            replace(result, pictures=(wrong, *result.pictures[1:])),
            source=source,
            out=tmp_path / "out",
        )
    assert not (tmp_path / "out" / "index.html").exists()


@pytest.mark.parametrize("name", ["index.html", "style.css", "result.json", "pictures/1.png"])
def test_what_is_no_report_is_not_replaced(tmp_path: Path, name: str) -> None:
    mine = tmp_path / "site" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    result = sample_result(tmp_path / "result", each=4)
    with pytest.raises(ResultError, match="not of a normalis report"):
        write_report(result, source=tmp_path / "result", out=tmp_path / "site")
    assert files(tmp_path / "site") == {name: b"mine"}


def test_a_report_goes_beside_other_things(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    require_site(tmp_path)
    require_site(tmp_path / "new")
    for name, target in (("dangling", "nowhere"), ("circle", "circle"), ("file", "notes.txt")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(ResultError, match=f"{name}: .* no folder"):
            require_site(tmp_path / name)


@pytest.mark.parametrize("last", ["result.json", "00003-heat.webp", "promise.svg", "script.js"])
def test_an_interrupted_report_has_no_page_and_can_be_written_again(
    tmp_path: Path, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "result", tmp_path / "out"
    result = sample_result(source, each=4)
    page = write(result, source, out)
    replace_path = Path.replace

    def interrupted(path: Path, target: Path) -> Path:
        if target.name == last:
            raise KeyboardInterrupt
        return replace_path(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(result, source, out)
    assert not (out / "index.html").exists()
    assert write(result, source, out).data == page.data


# --- what a reader must be told ---


def test_the_protocol_stands_under_every_table(written: Written) -> None:
    honest, paper = (one.protocol[1:] for one in (written.result.honest, written.result.paper))
    assert written.page.tags.count("table") == 4
    assert words(written.page).count(honest) == 4  # the summary, and three of the tables
    assert words(written.page).count(paper) == 1


def test_a_class_without_defects_says_so(written: Written) -> None:
    text = words(written.page)
    assert "washer: no defect picture in this test set" in text
    assert '("n/a")' in text
    assert "nan" not in text.lower().split()
    unmarked = sum(one.is_defect and not one.has_mask for one in written.result.pictures)
    assert f"{unmarked} defect pictures have no mask" in text


def test_promise_and_skipped_pictures_are_told(written: Written) -> None:
    text = words(written.page)
    assert written.result.model.promise in text
    assert "Promised 4.9 %, measured" in text
    assert "1 picture could not be read" in text
    assert "nut/test/good/099.png: the file ends early" in text


def test_pictures_that_the_model_has_seen_are_announced_loudly(
    written: Written, tmp_path: Path
) -> None:
    assert "Not a fair test" not in words(written.page)
    seen = replace(
        sample_result(tmp_path, each=4, thumbnails=False),
        seen=(Seen("bolt/test/good/001.png", "calibration"),),
    )
    text = words(write(seen, tmp_path, tmp_path / "out"))
    assert "Not a fair test" in text
    assert "bolt/test/good/001.png (calibration)" in text


@pytest.mark.parametrize("kind", [True, False], ids=["defects", "good"])
def test_pictures_of_one_kind_alone_make_a_report(tmp_path: Path, kind: bool) -> None:  # noqa: FBT001
    result = sample_result(tmp_path, each=4, thumbnails=False)
    chosen = tuple(one for one in result.pictures if one.is_defect == kind)
    page = write(replace(result, pictures=chosen, curves=()), tmp_path, tmp_path / "out")
    assert "No curve is defined" in words(page)
    assert ("cannot be measured" in words(page)) == kind


def test_no_picture_at_all_makes_a_report(tmp_path: Path) -> None:
    result = replace(sample_result(tmp_path, each=4, thumbnails=False), pictures=(), curves=())
    assert json.loads(write(result, tmp_path, tmp_path / "out").data)["rows"] == []


# --- odd names ---


def test_names_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    page = write(odd_result(tmp_path), tmp_path, tmp_path / "out")
    assert page.tags.count("script") == 2
    assert json.loads(page.data)["classes"] == [ODD]
    assert ODD in page.words


def test_a_name_that_is_not_text_is_written_escaped(tmp_path: Path) -> None:
    plain = sample_result(tmp_path, each=4, thumbnails=False)
    name = os.fsdecode(b"caf\xe9")
    odd = tuple(replace(one, category=name) for one in plain.pictures)
    page = write(replace(plain, pictures=odd), tmp_path, tmp_path / "out")
    assert "caf\\udce9" in page.words
    assert json.loads(page.data)["classes"] == [name]


@given(st.lists(st.text(st.characters(codec=None)), min_size=1, max_size=4))
def test_card_data_comes_back_through_a_page(names: list[str]) -> None:
    pictures = [
        replace(one, name=name, defect=name)
        for one, name in zip(sample_pictures(4), names, strict=False)
    ]
    data = card_data(pictures, {"bolt": 0})
    assert data.isascii()
    page = Page(f'<script type="application/json" id="data">{data}</script>')
    assert [row[0] for row in json.loads(page.data)["rows"]] == names
