"""The page in headless Chromium: no error, and filters, keys and the large view work."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_samples import Page, open_browser
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from site_samples import CLASSES, ODD, odd_result, sample_result

from normalis.evaluation.result import Judged, Result
from normalis.report.site import write_report
from normalis.report.verdicts import VERDICTS, verdict

AT_ONCE = 60  # cards that are drawn together


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with open_browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, str]:
    """A result with more pictures than are drawn at once, and its page's address."""
    source, out = (tmp_path_factory.mktemp(name) for name in ("result", "out"))
    result = sample_result(source, each=25)
    return result, write_report(result, source=source, out=out).as_uri()


@pytest.fixture
def page(browser: webdriver.Chrome, report: tuple[Result, str]) -> Iterator[Page]:
    browser.get("about:blank")  # or the page would be loaded again, and scrolled to where it was
    browser.get(report[1])
    yield Page(browser, report[0])
    assert browser.get_log("browser") == []


def badness(picture: Judged) -> tuple[int, float]:
    kind = verdict(picture)
    return VERDICTS.index(kind), picture.score if kind == "missed" else -picture.score


def test_it_opens_without_an_error_and_without_a_network(page: Page) -> None:
    assert page.one("h1").text == "fasteners"
    loaded = page.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert [name for name in loaded if not name.startswith("file:")] == []
    page.run("location.hash = '#pictures'")
    page.wait("document.querySelector('.card img').naturalWidth > 0")


def test_the_worst_mistakes_come_first_and_the_others_when_they_are_wanted(page: Page) -> None:
    worst = [one.name for one in sorted(page.pictures, key=badness)]
    assert page.names() == worst[:AT_ONCE]
    page.run("document.querySelector('#more').scrollIntoView()")
    page.wait(f"document.querySelectorAll('.card').length == {len(worst)}")
    assert page.names() == worst


def test_every_order_is_as_it_says(page: Page) -> None:
    orders = {
        "high": lambda one: -one.score,
        "low": lambda one: one.score,
        "p": lambda one: (one.p_value, -one.score),
        "name": lambda one: one.name,
    }
    for value, key in orders.items():
        page.choose("#order", value)
        assert page.names() == [one.name for one in sorted(page.pictures, key=key)][:AT_ONCE]


def test_filters_hold_together(page: Page) -> None:
    page.choose("#class", "1")
    for box in page.all("#verdicts input"):
        if box.get_attribute("value") in ("missed", "passed"):
            box.click()
    page.one("#text").send_keys("SCRATCH")
    expected = [
        one.name
        for one in sorted(page.pictures, key=badness)
        if one.category == "nut" and verdict(one) == "found"
    ]
    assert page.names() == expected
    assert page.one("#status").text.startswith(f"{len(expected)} of {len(page.pictures)} pictures")
    page.one("#text").send_keys("no such name")
    assert page.names() == []
    page.press(Keys.ESCAPE, "j")  # nothing to go to, and no error


def test_keys_move_through_the_pictures(page: Page) -> None:
    page.press("j")
    assert page.focused() == 0
    page.press("j", "j", "k")
    assert page.focused() == 1
    page.press("k", "k", "k")
    assert page.focused() == 0
    page.press("f")
    assert page.run("return document.activeElement.id") == "text"
    page.press("f", "j")
    assert page.one("#text").get_property("value") == "fj"


def test_keys_reach_pictures_that_are_not_drawn_yet(page: Page) -> None:
    page.press(*"j" * (AT_ONCE + 2))
    assert page.focused() == AT_ONCE + 1


def test_the_large_view_shows_both_pictures_and_moves(page: Page) -> None:
    worst = sorted(page.pictures, key=badness)
    page.press("j", "j", Keys.ENTER)
    assert page.one("#large-name").text == f"{worst[1].name} (2 of {len(worst)})"
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT, "j")
    shown = worst[3]
    assert page.one("#large-name").text == f"{shown.name} (4 of {len(worst)})"
    for kind in ("picture", "heat"):
        source = str(page.one(f"#large-{kind}").get_attribute("src"))
        assert source.endswith(str(getattr(shown, kind)))
        page.wait(f"document.querySelector('#large-{kind}').naturalWidth > 0")
        assert shown.name in str(page.one(f"#large-{kind}").get_attribute("alt"))
    assert f"{shown.score:.5g}" in page.one("#large-rows").text
    for _ in range(2):  # every second picture was restored
        number = int(page.one("#large-name").text.rpartition("(")[2].split()[0])
        is_restored = worst[number - 1].restored is not None
        assert page.one("#large-restored").is_displayed() == is_restored
        page.press(Keys.ARROW_RIGHT)
    page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ESCAPE)
    page.wait("!document.querySelector('#large').open")
    page.wait("document.activeElement == document.querySelectorAll('.card')[3]")


def test_a_click_enlarges_and_buttons_move_and_close(page: Page) -> None:
    page.one(".card").click()
    page.one("[data-step='1']").click()
    assert "(2 of" in page.one("#large-name").text
    page.one("[data-step='-1']").click()
    assert "(1 of" in page.one("#large-name").text
    page.one("[data-close]").click()
    assert page.run("return document.querySelector('#large').open") is False


def test_heat_maps_can_be_taken_off(page: Page) -> None:
    def sources() -> list[str]:
        return page.run("return [...document.querySelectorAll('.card img')].map(e => e.src)")

    assert all(name.endswith("-heat.webp") for name in sources())
    page.press("h")
    assert all(name.endswith("-picture.webp") for name in sources())
    assert page.one("#heat").get_attribute("aria-pressed") == "false"
    page.one("#heat").click()
    assert all(name.endswith("-heat.webp") for name in sources())


def test_a_table_sorts_with_what_is_not_defined_last(page: Page) -> None:
    def classes() -> list[str]:
        return page.texts("#figures .wide:first-of-type tbody th")

    auroc = page.all("#figures table:first-of-type thead tr:last-child button")[3]
    auroc.click()
    falling = classes()
    auroc.click()
    assert falling[:3] == [*classes()[1::-1], "washer"]
    assert classes()[2] == "washer"
    head = page.all("#figures table:first-of-type thead tr:last-child th")[3]
    assert head.get_attribute("aria-sort") == "ascending"


def test_a_table_shows_the_classes_that_are_asked_for(page: Page) -> None:
    page.one("#classes").send_keys("Was")
    shown = [row.text.split()[0] for row in page.all("#figures tbody tr") if row.is_displayed()]
    assert shown == ["washer", "washer"]


def test_a_count_leads_to_its_pictures(page: Page) -> None:
    link = page.one("#decisions tbody a[data-verdict]")
    kind, group = (link.get_attribute(f"data-{name}") for name in ("verdict", "choose"))
    count = int(link.text)
    link.click()
    expected = [
        one.name
        for one in sorted(page.pictures, key=badness)
        if one.category == CLASSES[int(str(group))] and verdict(one) == kind
    ]
    assert page.names() == expected
    assert len(expected) == count
    assert page.run("return location.hash") == "#pictures"


def test_a_class_stands_out_everywhere(page: Page) -> None:
    page.choose("#class", "0")
    opacity = (
        "return getComputedStyle(document.querySelector('figure g[data-class=\"{}\"]')).opacity"
    )
    assert float(page.run(opacity.format(0))) == 1.0
    assert float(page.run(opacity.format(1))) < 0.5
    assert page.texts("tr.chosen th") == ["bolt"] * 3
    shown = [one.text for one in page.all("#scores figcaption span") if one.is_displayed()]
    assert shown == ["bolt"]
    page.choose("#class", "")
    assert float(page.run(opacity.format(1))) == 1.0


def test_a_page_loaded_again_starts_afresh(page: Page) -> None:
    page.choose("#order", "name")
    page.all("#verdicts input")[2].click()
    page.one("#text").send_keys("nothing")
    page.browser.refresh()
    assert all(box.is_selected() for box in page.all("#verdicts input"))
    assert page.one("#order").get_property("value") == "worst"
    assert page.one("#text").get_property("value") == ""
    assert page.one("#status").text == "75 of 75 pictures"


def test_it_fits_a_phone(page: Page) -> None:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert page.run("return document.documentElement.scrollWidth") == 390
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_is_dark_where_the_reader_wants_it(page: Page) -> None:
    def ground(scheme: str) -> str:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        return page.run("return getComputedStyle(document.body).backgroundColor")

    try:
        assert ground("light") == "rgb(250, 250, 247)"
        assert ground("dark") == "rgb(20, 21, 24)"
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_odd_names_are_shown_and_do_nothing(browser: webdriver.Chrome, tmp_path: Path) -> None:
    result = odd_result(tmp_path)
    browser.get(write_report(result, source=tmp_path, out=tmp_path / "out").as_uri())
    page = Page(browser, result)
    assert page.one("h1").text == ODD
    assert all(name.startswith(ODD) for name in page.names())
    page.press("j", Keys.ENTER)
    assert page.one("#large-name").text.startswith(ODD)
    assert browser.get_log("browser") == []


def test_without_a_script_figures_and_drawings_still_read(
    browser: webdriver.Chrome, report: tuple[Result, str]
) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(report[1])
        page = Page(browser, report[0])
        assert len(page.all("figure svg")) == 9
        assert all(one.is_displayed() for one in page.all("table, figure svg"))
        assert not any(one.is_displayed() for one in page.all(".scripted"))
        assert "The gallery needs JavaScript" in page.one("noscript").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
