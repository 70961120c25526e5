"""How long work says where it stands."""

from typing import Protocol, runtime_checkable

__all__ = ["Observer", "Silent"]


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
