"""Progress on the error stream: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from normalis.cli.text import duration, tell

__all__ = ["PlainObserver", "TerminalObserver", "observing"]

_EVERY = 10.0  # seconds between two plain lines


@final
class TerminalObserver:
    """A bar for each stage, with items, rate, time left and the newest figure.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
        )
        self._task: TaskID | None = None

    def stage(self, name: str, total: int) -> None:
        """Fill the bar of the stage before, and begin a new one."""
        self._finish()
        self._progress.start()
        self._task = self._progress.add_task(name, total=total, note="")

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """Move the bar; an empty note leaves the one before."""
        if self._task is not None:
            self._progress.advance(self._task, count)
            if note:
                self._progress.update(self._task, note=note)

    def say(self, sentence: str) -> None:
        """Print above the bars."""
        self._progress.console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Leave the bars as they stand."""
        self._progress.stop()

    def _finish(self) -> None:
        """A stage that ended early, as training may, is over all the same."""
        if self._task is not None:
            done = self._progress.tasks[-1].completed
            self._progress.update(self._task, total=done)
            self._progress.stop_task(self._task)


@final
class PlainObserver:
    """A line when a stage begins and ends, and about every ten seconds between.

    Args:
        clock: Gives the seconds since any moment.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._name = ""
        self._total = self._done = 0
        self._start = self._last = 0.0
        self._note = ""

    def stage(self, name: str, total: int) -> None:
        """Say how the stage before ended, and that this one begins."""
        self.close()
        self._name, self._total, self._done, self._note = name, total, 0, ""
        self._start = self._last = self._clock()
        self.say(f"{name}: {total:,} to do")

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """Count, and say so where the last line is old enough."""
        self._done += count
        self._note = note or self._note
        now = self._clock()
        if now - self._last >= _EVERY and self._done < self._total:
            self._last = now
            self.say(self._line(now - self._start))

    def say(self, sentence: str) -> None:
        """Print a line."""
        tell(sentence, err=True)

    def close(self) -> None:
        """Say how the last stage ended."""
        if self._name:
            seconds = self._clock() - self._start
            self.say(f"{self._name}: {self._done:,} done in {duration(seconds)}{self._tail()}")
        self._name = ""

    def _line(self, seconds: float) -> str:
        rate = self._done / seconds
        line = f"{self._name}: {self._done:,} of {self._total:,}, {rate:.1f}/s"
        if self._done:
            line += f", {duration((self._total - self._done) / rate)} left"
        return line + self._tail()

    def _tail(self) -> str:
        return f" ({self._note})" if self._note else ""


class _Rate(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f}/s")


@contextmanager
def observing() -> Generator[PlainObserver | TerminalObserver]:
    """An observer for the length of a block, of the kind that the error stream can show."""
    console = Console(stderr=True)
    observer = TerminalObserver(console) if console.is_terminal else PlainObserver()
    try:
        yield observer
    finally:
        observer.close()
