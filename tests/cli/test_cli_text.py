"""Words and numbers."""

import pytest

from normalis.cli.text import amount, counted, duration, one_line, skipped_lines, tell


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        *[(0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125.0, "2 min 5 s")],
        *[(3599.6, "1 h 0 min"), (4320.0, "1 h 12 min"), (90000.0, "25 h 0 min")],
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        *[(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (3_420_000, "3.4 MB")],
        *[(999_999, "1.0 MB"), (7_000_000_000_000, "7000.0 GB")],
    ],
)
def test_amounts(size: int, words: str) -> None:
    assert amount(size) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 pictures"), (1, "1 picture"), (2000, "2,000 pictures")]
)
def test_counts(count: int, words: str) -> None:
    assert counted(count, "picture") == words


def test_what_was_skipped_is_named_once_and_cut_off() -> None:
    assert skipped_lines([]) == []
    assert skipped_lines([("a.png", "in/a.png: damaged"), ("b.png", "damaged")]) == [
        "  in/a.png: damaged",
        "  b.png: damaged",
    ]
    many = skipped_lines([(f"{i}.png", "damaged") for i in range(25)])
    assert (len(many), many[-1]) == (11, "  and 15 more")


def test_a_name_that_is_not_text_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    tell("caf\udce9.png")
    assert capsys.readouterr().out == "caf\\udce9.png\n"


def test_what_a_terminal_would_obey_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    tell("two\nlines\tand \x1b[31mred\x07\r\x9b", "caf\udce9 — 産品")
    assert capsys.readouterr().out == (
        "two\nlines\tand \\x1b[31mred\\x07\\r\\x9b\ncaf\\udce9 — 産品\n"
    )
    assert one_line("a\nb\r\nc d") == "a\\nb\\r\\nc d"
    assert skipped_lines([("a\nb", "bad")]) == ["  a\\nb: bad"]
