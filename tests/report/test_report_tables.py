"""Figures as text and Markdown."""

from dataclasses import replace

import pytest
from report_samples import evaluation

from normalis.evaluation import Figures
from normalis.report.tables import as_markdown, as_text, figure_table, markdown_text

HONEST = evaluation("bottle", "pill", value=0.98765, protocol="honest score; at 256 pixels")
PAPER = evaluation("bottle", "pill", value=None, protocol="paper score; at 256 pixels")
TABLE = figure_table(HONEST, PAPER)


def test_each_class_has_both_scores_then_the_mean_then_all_mixed() -> None:
    assert [row[:2] for row in TABLE.rows] == [
        (name, score)
        for name in ("bottle", "pill", "mean", "all mixed")
        for score in ("honest", "paper")
    ]


def test_figures_are_percentages_and_what_is_not_defined_is_said() -> None:
    assert TABLE.rows[0] == ("bottle", "honest", "10", "4", *["98.8"] * 6)
    assert TABLE.rows[1] == ("bottle", "paper", "10", "4", *["n/a"] * 6)


def test_what_a_class_lacks_is_said() -> None:
    defined = Figures(10, 4, *[0.5] * 6)
    rows = (
        ("bolt", replace(defined, defects=0, image_auroc=None, pixel_auroc=None)),
        ("nut", replace(defined, defects=10, image_auroc=None)),
        ("tile", replace(defined, pixel_auroc=None)),
        ("whole", defined),
    )
    notes = figure_table(replace(HONEST, rows=rows), replace(PAPER, rows=rows)).notes
    assert notes[2:] == (
        "n/a is not defined, and not in the mean: no defect pictures in bolt; no good pictures in "
        "nut; no masks in tile.",
    )
    assert len(TABLE.notes) == 2


def test_text_fits_a_terminal_and_its_columns_are_aligned() -> None:
    upper, lower, rule, *rest = as_text(TABLE).splitlines()
    rows = rest[: len(TABLE.rows)]
    assert len(rule) <= 80
    assert {len(line) for line in (lower, rule, *rows)} == {len(rule)}
    assert upper.split() == ["image", "pixel"]
    assert lower.split() == [
        *("class", "score", "pictures", "defects"),
        *("AUROC", "AP", "F1-max", "AUROC", "AP", "AUPRO"),
    ]
    end = lower.index("AUROC") + len("AUROC")
    assert upper[:end].endswith("image")
    assert rows[0][:end].endswith(" 98.8")


def test_the_protocols_stand_below() -> None:
    for text in (as_text(TABLE), as_markdown(TABLE)):
        assert text.splitlines()[-3:] == [
            "",
            "honest score; at 256 pixels.",
            "paper score; at 256 pixels.",
        ]


def test_markdown_has_as_many_cells_in_every_line() -> None:
    odd = figure_table(evaluation("a|b"), evaluation("a|b"))
    lines = [line for line in as_markdown(odd).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(odd.rows)
    assert {line.replace("\\|", "").count("|") for line in lines} == {len(odd.columns) + 1}
    assert lines[2].startswith("| a\\|b | honest |")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        *[("a|b", r"a\|b"), ("a`b", r"a\`b"), ("a\nb\r\nc", "a b c"), ("a*b*", r"a\*b\*")],
        *[("dark_spot", "dark_spot"), ("_x_", r"\_x\_"), ("a~~b", r"a\~\~b"), ("R&D", "R&D")],
        *[("&lt;b>", r"\&lt;b\>"), ("[a](b)", r"\[a\](b)"), ("a\\|b", r"a\\\|b")],
    ],
)
def test_a_name_means_nothing_but_itself_in_markdown(name: str, shown: str) -> None:
    assert markdown_text(name) == shown


def test_wide_letters_take_two_columns_of_a_terminal() -> None:
    odd = figure_table(evaluation("部品"), evaluation("部品"))
    rows = as_text(odd).splitlines()[3:9]
    assert rows[0].startswith("部品       honest  ")
    assert rows[4].startswith("all mixed  honest  ")


def test_a_line_break_in_a_name_breaks_no_row() -> None:
    odd = figure_table(evaluation("a\nb"), evaluation("a\nb"))
    assert len(as_text(odd).splitlines()) == len(as_text(TABLE).splitlines()) - 2
    assert as_text(odd).splitlines()[3].startswith("a b ")
    assert as_markdown(odd).splitlines()[2].startswith("| a b | honest |")
