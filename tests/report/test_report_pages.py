"""Every page is made the same way."""

import pytest
from jinja2 import UndefinedError

from normalis.report.pages import render_page

VALUES = {
    "suite": {"name": "<b>", "question": "50 % & more?"},
    "machines": [],
    "sections": [],
    "reports": [("one", "a b/#?.html")],
    "not_run": [],
    "positions": [],
}


def test_values_are_text_and_links_are_addresses() -> None:
    page = render_page("benchmark.html", VALUES)
    assert "Benchmark &lt;b&gt;" in page
    assert "50 % &amp; more?" in page
    assert 'href="a%20b/%23%3F.html"' in page


def test_a_value_that_is_missing_is_not_passed_over() -> None:
    with pytest.raises(UndefinedError, match="not_run"):
        render_page("benchmark.html", {k: v for k, v in VALUES.items() if k != "not_run"})
