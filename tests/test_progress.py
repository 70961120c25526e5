"""How long the parts of the work take."""

import time

import pytest

from normalis.progress import Stopwatch


def test_a_part_adds_up_and_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 1.0, 10.0, 14.0, 20.0, 20.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(moments))
    watch = Stopwatch()
    for part in ("reading", "scoring", "reading"):
        with watch.measure(part):
            pass
    assert list(watch.seconds.items()) == [("reading", 1.5), ("scoring", 4.0)]


def test_a_part_that_fails_is_counted_too() -> None:
    watch = Stopwatch()
    with pytest.raises(ZeroDivisionError), watch.measure("reading"):
        raise ZeroDivisionError
    assert list(watch.seconds) == ["reading"]
