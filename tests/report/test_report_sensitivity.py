"""The card as a folder: a page without a network, a JSON twin, planted pictures."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from page_samples import Page
from PIL import Image
from pydantic import TypeAdapter
from report_samples import RANGE, hot_map, make_result

from normalis.errors import SettingsError
from normalis.images.planting import Defect
from normalis.report.sensitivity import CardWriter, require_apart
from normalis.sensitivity.card import SCHEMA, Product, Sensitivity, curve_of, sentence
from normalis.sensitivity.measure import Example

SIZES = (2.0, 4.0, 8.0)


def made_product(name: str = "bottle") -> Product:
    curves = tuple(
        curve_of(
            (kind, contrast),
            SIZES,
            caught=np.array(caught, np.int64),
            placed=np.array(caught, np.int64),
            trials=10,
        )
        for kind, contrast, caught in (
            ("dark spot", 0.5, (0, 2, 5)),
            ("dark spot", 1.0, (0, 5, 10)),
            ("missing part", 1.0, (0, 0, 10)),
        )
    )
    names = tuple(f"{i}.png" for i in range(10))
    return Product(name, names, 7, 2, 1, 200, 1, 0.01, curves)


def card(*products: Product) -> Sensitivity:
    promise = "with 99 held-out pictures the lowest is 1 %; decisions are made at 1 %"
    skipped = (("broken.png", "broken.png: no picture"),)
    return Sensitivity("line 4", promise, 1, 0, products or (made_product(),), skipped)


def example(product: str = "bottle") -> Example:
    result = make_result(values=hot_map(), is_anomaly=True)
    defect = Defect("dark spot", 8.0, 1.0)
    return Example(product, defect, hot_map() > 2.0, result, RANGE)


def written(out: Path, made: Sensitivity, *shown: Example) -> Page:
    writer = CardWriter(out)
    for one in shown:
        writer.draw(one)
    return Page(writer.write(made).read_text(encoding="utf-8"))


def test_the_page_says_the_sentences_and_what_they_rest_on(tmp_path: Path) -> None:
    page = written(tmp_path, card())
    text = " ".join(page.words.split())
    for curve in made_product().strongest:
        assert sentence(made_product(), curve) in text
    assert "10 good pictures" in text
    assert "7 never seen, 2 held out to watch the training, 1 held out to calibrate" in text
    assert "1 more is called a defect as it is, and left out" in text
    assert "Of all that were caught, 100 % were found at the planted place" in text
    assert card().promise in text
    assert "broken.png: no picture" in text
    assert "not caught" in text


def test_pictures_lie_beside_the_page(tmp_path: Path) -> None:
    page = written(tmp_path, card(), example())
    assert len(page.images) == 2
    for image in page.images:
        with Image.open(tmp_path / str(image["src"])) as picture:
            assert (str(picture.width), str(picture.height)) == (image["width"], image["height"])
        assert image["alt"]
    assert "dark spot, 8 px, full contrast: caught" in page.words


def test_the_page_needs_no_network_and_its_links_resolve(tmp_path: Path) -> None:
    page = written(tmp_path, card(made_product(), made_product("can")))
    text = (tmp_path / "sensitivity.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\(["']?http""", text)
    assert "script" not in page.tags
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link[1:] in page.ids if link.startswith("#") else (tmp_path / link).is_file()


def test_the_json_holds_the_whole_card(tmp_path: Path) -> None:
    made = card()
    written(tmp_path, made)
    tree = json.loads((tmp_path / "sensitivity.json").read_text(encoding="utf-8"))
    assert (tree.pop("kind"), tree.pop("schema")) == ("normalis-sensitivity", SCHEMA)
    assert len(tree.pop("sentences")) == 3
    assert TypeAdapter(Sensitivity).validate_python(tree) == made


def test_a_name_cannot_break_the_page(tmp_path: Path) -> None:
    name = '<script>alert("$x$")</script> & "co"'
    page = written(tmp_path, card(made_product(name)), example(name))
    assert "script" not in page.tags
    assert name in page.words
    assert len(page.images) == 2


def test_a_product_of_which_nothing_can_be_said(tmp_path: Path) -> None:
    page = written(tmp_path, card(replace(made_product(), pictures=(), curves=())))
    assert "nothing can be said of planted ones" in " ".join(page.words.split())


def test_the_same_card_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        written(tmp_path / name, card(), example())
    for file in ("sensitivity.html", "sensitivity.json", "pictures/0001-heat.webp"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize(
    "out", ["pictures", "pictures/card", "pictures/a/../card", "link/card", "."]
)
def test_planted_pictures_never_join_those_they_were_made_from(tmp_path: Path, out: str) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "link").symlink_to("pictures")
    with pytest.raises(SettingsError, match="choose another folder"):
        require_apart(tmp_path / out, tmp_path / "pictures")
    require_apart(tmp_path / "card", tmp_path / "pictures")
    require_apart(tmp_path, tmp_path / "manifest.csv")


def test_an_earlier_page_never_shows_new_pictures(tmp_path: Path) -> None:
    written(tmp_path, card(), example())
    CardWriter(tmp_path).draw(example())
    assert not (tmp_path / "sensitivity.html").exists()
    written(tmp_path, card())
    CardWriter(tmp_path)  # the long work before the first picture may yet fail
    assert (tmp_path / "sensitivity.html").exists()
