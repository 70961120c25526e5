"""The colours of the page can be read, in the light and in the dark."""

import re
from importlib import resources

import pytest

from normalis.report.svg import PALETTE

TEXTS = ("ink", "soft", "accent", "bad", "good")
LINES = ("normal", "defect", *(f"c{index}" for index in range(PALETTE)))


def style(name: str) -> str:
    return (resources.files("normalis") / "report" / "templates" / name).read_text("utf-8")


def colours(text: str) -> dict[str, str]:
    """The variables of the first `:root` block."""
    block = re.search(r":root \{(.*?)\}", text, re.DOTALL)
    assert block
    return dict(re.findall(r"--(\w+): (#\w{6});", block[1]))


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("sheet", ["palette.css", "style.css"], ids=["light", "dark"])
def test_text_and_lines_stand_out(sheet: str) -> None:
    found = colours(style(sheet))
    assert set(found) == {"ground", "card", "line", "loud", *TEXTS, *LINES}
    grounds = [found["ground"], found["card"]]
    weak = [
        name for name in (*TEXTS, *LINES) for one in grounds if contrast(found[name], one) < 4.5
    ]
    assert weak == []
    assert contrast(found["ink"], found["loud"]) > 7
    assert contrast(found["bad"], found["loud"]) > 4.5
    assert contrast(found["soft"], found["loud"]) > 4.5


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
