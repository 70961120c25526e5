"""Pages of volumes: self-contained, every slice within reach, in text and in a browser."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser_samples import open_browser
from page_samples import Page
from report_samples import RANGE, hot_map, make_picture, make_result
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from normalis.report.volumes import VolumePages

SCORES = (0.0, 1.0, 5.0, 2.0, 0.0)  # of all slices; the first and the last show no tissue


def written(out: Path, *, name: str = "0000-head", restored: bool = True) -> Path:
    pages = VolumePages(out, RANGE, promise="1 % are promised")
    for number in (1, 2, 3):
        picture = make_picture(seed=number)
        result = make_result(
            picture=picture, values=hot_map(), score=SCORES[number], is_anomaly=number == 2
        )
        after = (picture.pixels // 2).astype(np.uint8)
        pages.draw(number, replace(result, restored=after if restored else None))
    page = pages.finish(name, source="scans/<head>.nii", score=sum(SCORES), slices=SCORES)
    pages.index()
    return page


def test_a_page_needs_nothing_beside_it(tmp_path: Path) -> None:
    page = Page(written(tmp_path).read_text(encoding="utf-8"))
    assert [image["alt"] for image in page.images] == [
        f"{panel} of the chosen slice"
        for panel in ("heat map", "original", "restored", "difference")
    ]
    assert all(link.startswith("data:image/webp;base64,") for link in page.links)
    assert "scans/<head>.nii" in page.words
    assert "1 % are promised" in page.words


def test_a_method_that_does_not_restore_has_two_panels(tmp_path: Path) -> None:
    page = Page(written(tmp_path, restored=False).read_text(encoding="utf-8"))
    assert len(page.images) == 2


def test_a_volume_without_tissue_says_so(tmp_path: Path) -> None:
    pages = VolumePages(tmp_path, RANGE, promise="")
    page = pages.finish("empty", source="empty.nii", score=0.0, slices=(0.0, 0.0))
    assert "No slice shows tissue" in Page(page.read_text(encoding="utf-8")).words


def test_the_list_has_the_most_anomalous_first(tmp_path: Path) -> None:
    pages = VolumePages(tmp_path, RANGE, promise="")
    for name, score in (("a b", 1.0), ("c", 3.0), ("d", 2.0)):
        pages.draw(0, make_result())
        pages.finish(name, source=name, score=score, slices=(score,))
    page = Page(pages.index().read_text(encoding="utf-8"))
    assert page.links == ["c.html", "d.html", "a%20b.html"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with open_browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


def test_slices_are_scrolled_by_keys_slider_and_bars(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    def said() -> str:
        return browser.find_element(By.ID, "said").text

    browser.get(written(tmp_path).as_uri())
    assert said() == "2 of 0 to 4, score 5.000, anomalous"
    image = browser.find_element(By.CSS_SELECTOR, "[data-panel='1']")
    before = image.get_attribute("src")
    assert browser.execute_script("return arguments[0].naturalWidth", image) == 32
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT).perform()
    assert said() == "3 of 0 to 4, score 2.000, usual"
    assert image.get_attribute("src") != before
    browser.find_elements(By.CSS_SELECTOR, "[data-place]")[0].click()
    assert said() == "1 of 0 to 4, score 1.000, usual"
    slider = browser.find_element(By.ID, "slice")
    browser.execute_script(
        "arguments[0].value = 1; arguments[0].dispatchEvent(new Event('input'))", slider
    )
    assert said().startswith("2 of 0 to 4")
    assert browser.get_log("browser") == []
