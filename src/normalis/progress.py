"""How long work says where it stands, and how long each part of it took."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import Protocol, runtime_checkable

__all__ = ["Observer", "Silent", "Stopwatch"]


@runtime_checkable
class Observer(Protocol):
    """Hears of stages, their items, and sentences for the user."""

    def stage(self, name: str, total: int) -> None:
        """A stage of `total` items begins; the one before is over."""
        ...

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """`count` more items of the stage are done; `note` is the newest figure, if any."""
        ...

    def say(self, sentence: str) -> None:
        """Something the user should read: a warning, a promise, a choice made."""
        ...


class Silent:
    """Hears and says nothing."""

    def stage(self, name: str, total: int) -> None:
        """Nothing."""

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """Nothing."""

    def say(self, sentence: str) -> None:
        """Nothing."""


class Stopwatch:
    """Adds up how long each part of the work takes, in any number of threads.

    Attributes:
        seconds: The parts in the order in which they first ended, and their durations so far.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = Lock()

    @contextmanager
    def measure(self, part: str) -> Generator[None]:
        """Count the time of a block, whether it ends well or not."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            with self._lock:
                self.seconds[part] = self.seconds.get(part, 0.0) + spent
