"""Progress, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from normalis.cli.observer import PlainObserver, TerminalObserver, observing


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_come_at_the_ends_and_about_every_ten_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    observer = PlainObserver(clock)
    observer.stage("training", 40)
    for step in range(40):
        clock.now += 1.0
        observer.advance(note=f"{step / 10}")
    observer.say("A sentence.")
    observer.stage("scoring", 3)
    observer.advance(3)
    observer.close()
    observer.close()
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.splitlines() == [
        "training: 40 to do",
        "training: 10 of 40, 1.0/s, 30 s left (0.9)",
        "training: 20 of 40, 1.0/s, 20 s left (1.9)",
        "training: 30 of 40, 1.0/s, 10 s left (2.9)",
        "A sentence.",
        "training: 40 done in 40 s (3.9)",
        "scoring: 3 to do",
        "scoring: 3 done in 0 s",
    ]


def test_a_stage_that_has_done_nothing_yet_has_no_time_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = Clock()
    observer = PlainObserver(clock)
    observer.stage("training", 4)
    clock.now += 11
    observer.advance(0, note="reading")
    assert capsys.readouterr().err.splitlines()[1] == "training: 0 of 4, 0.0/s (reading)"


def test_a_terminal_shows_bars_and_sentences_as_they_are() -> None:
    screen = io.StringIO()
    observer = TerminalObserver(Console(file=screen, force_terminal=True, width=120))
    observer.advance()
    observer.stage("training", 200)
    observer.advance(50, note="loss [0.5]")
    observer.say("With [brackets] and 4.5 %.")
    observer.stage("scoring", 7)
    observer.advance(7)
    observer.close()
    text = screen.getvalue()
    assert "loss [0.5]" in text
    assert "With [brackets] and 4.5 %." in text
    assert "50/50" in text  # ended early: the bar is full
    assert "7/7" in text


def test_elsewhere_than_on_a_terminal_lines_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="stop"), observing() as observer:  # noqa: PT012
        observer.stage("training", 2)
        raise ValueError("stop")
    assert capsys.readouterr().err.splitlines() == [
        "training: 2 to do",
        "training: 0 done in 0 s",
    ]
