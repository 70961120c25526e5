"""A page of a report as its reader uses it, in headless Chromium."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from normalis.evaluation.result import Result

__all__ = ["Page", "open_browser"]

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1280,1000"),
    *("--disable-dev-shm-usage", "--hide-scrollbars"),
)


class Page:
    """The open page as a reader uses it."""

    def __init__(self, browser: webdriver.Chrome, result: Result) -> None:
        self.browser = browser
        self.pictures = result.pictures

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def run(self, script: str) -> Any:
        return self.browser.execute_script(script)

    def texts(self, selector: str) -> list[str]:
        return self.run(
            f"return [...document.querySelectorAll({selector!r})].map(e => e.innerText)"
        )

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def choose(self, selector: str, value: str) -> None:
        Select(self.one(selector)).select_by_value(value)

    def names(self) -> list[str]:
        """Of the cards that are drawn, in their order."""
        return self.texts("#cards .card .soft")

    def focused(self) -> int:
        """The place of the card that has the focus; -1 for none."""
        return self.run(
            "return [...document.querySelectorAll('.card')].indexOf(document.activeElement)"
        )

    def wait(self, script: str) -> None:
        WebDriverWait(self.browser, 20).until(lambda _: self.run(f"return {script}"))


def program(*names: str) -> str:
    """The first of these that is installed; skips the test without any."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"needs {' or '.join(names)} (Debian: chromium and chromium-driver)")


@contextmanager
def open_browser(profile: Path) -> Generator[webdriver.Chrome]:
    """A browser that looks nothing up; skips the test where none is installed."""
    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(program("chromedriver"))) as found:
        yield found
