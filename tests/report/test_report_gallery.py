"""The page: mistakes first, every link leads somewhere, and names cannot break out."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image
from report_samples import RANGE, evaluation, hot_map, make_result

from normalis.datasets.sample import Sample
from normalis.report.answers import AnswerWriter
from normalis.report.gallery import GalleryEntry, make_entry, write_gallery
from normalis.report.tables import figure_table

Seen = tuple[str, bool | None, bool, float]  # name, truth, called a defect, score


class Page(HTMLParser):
    """The links, pictures and headings of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: set[str | None] = set()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append(tag)
        self.ids.add(attributes.get("id"))
        if tag == "a":
            self.links.append(attributes["href"] or "")
        if tag == "img":
            self.images.append(attributes)


def sample(path: Path, *, is_defect: bool | None) -> Sample:
    defect = None if is_defect is None else "crack" if is_defect else "good"
    return Sample(path, path.name, "pill", "test", defect, None)


def make_entries(out: Path, seen: list[Seen]) -> list[GalleryEntry]:
    entries: list[GalleryEntry] = []
    with AnswerWriter(out, root=out.parent, map_range=RANGE) as writer:
        for number, (name, truth, called, score) in enumerate(seen):
            path = out.parent / name
            result = make_result(path, values=hot_map(), score=score, is_anomaly=called)
            answer = writer.add(result)
            truth_of = sample(path, is_defect=truth)
            entries.append(make_entry(result, answer, out=out, number=number, sample=truth_of))
    return entries


def page_of(out: Path, seen: list[Seen]) -> str:
    return write_gallery(out, make_entries(out, seen), title="Pictures").read_text("utf-8")


def order(text: str, names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: text.index(f'<p class="name">{name}</p>'))


def test_mistakes_come_first_and_the_worst_of_them_before_all(tmp_path: Path) -> None:
    seen: list[Seen] = [
        ("passed", False, False, 1.0),
        ("found-low", True, True, 3.0),
        ("found-high", True, True, 9.0),
        ("alarm-low", False, True, 4.0),
        ("alarm-high", False, True, 8.0),
        ("missed-high", True, False, 1.9),
        ("missed-low", True, False, 0.1),
    ]
    text = page_of(tmp_path / "out", seen)
    assert order(text, [name for name, *_ in seen]) == [
        *("missed-low", "missed-high", "alarm-high", "alarm-low"),
        *("found-high", "found-low", "passed"),
    ]
    assert text.count("Missed defect</p>") == 2
    assert text.count("False alarm</p>") == 2


def test_without_the_truth_the_highest_score_comes_first(tmp_path: Path) -> None:
    seen: list[Seen] = [("a", None, False, 1.0), ("b", None, True, 5.0), ("c", None, True, 7.0)]
    text = page_of(tmp_path / "out", seen)
    assert order(text, ["a", "b", "c"]) == ["c", "b", "a"]
    assert "Missed" not in text


def test_that_there_are_no_mistakes_is_said(tmp_path: Path) -> None:
    text = page_of(tmp_path / "out", [("a", True, True, 5.0)])
    assert "Missed defects (0)" in text
    assert "False alarms (0)" in text


def test_every_link_leads_somewhere_inside_the_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    seen: list[Seen] = [("50% #1 ü?.png", True, True, 5.0), ("b.png", False, False, 1.0)]
    page = Page(page_of(out, seen))
    anchors = [link for link in page.links if link.startswith("#")]
    files = [link for link in page.links if not link.startswith("#")]
    files += [image["src"] or "" for image in page.images]
    assert len(files) == 2 + 4
    assert all(link[1:] in page.ids for link in anchors)
    assert all((out / unquote(file)).is_file() for file in files)
    assert not {"script", "link", "iframe"} & set(page.tags)


def test_every_picture_has_words_a_size_and_loads_when_it_is_seen(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for image in Page(page_of(out, [("a.png", True, True, 5.0)])).images:
        assert image["alt"]
        assert image["loading"] == "lazy"
        with Image.open(out / str(image["src"])) as thumbnail:
            assert thumbnail.size == (int(image["width"] or 0), int(image["height"] or 0))
            assert max(thumbnail.size) <= 320


def test_a_name_is_text_whatever_it_looks_like(tmp_path: Path) -> None:
    name = '<script>alert("1")<'
    text = page_of(tmp_path / "out", [(name, True, True, 5.0)])
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_figures_and_notes_are_shown(tmp_path: Path) -> None:
    table = figure_table(evaluation("pill & co"), evaluation("pill & co", protocol="paper"))
    path = write_gallery(tmp_path, [], title="T", notes=["with <5 % error"], table=table)
    text = path.read_text("utf-8")
    assert "pill &amp; co" in text
    assert "with &lt;5\u00a0% error" in text
    assert text.count("<tr>") == 1 + len(table.rows)


def test_a_picture_without_a_heat_map_is_not_shown(tmp_path: Path) -> None:
    result = make_result(tmp_path / "a.png")
    with AnswerWriter(tmp_path / "o", root=tmp_path, map_range=RANGE, overlays=False) as writer:
        answer = writer.add(result)
    with pytest.raises(ValueError, match="heat map"):
        make_entry(result, answer, out=tmp_path / "o", number=0)
