"""How a fit runs, and on what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FitOptions", "Paths", "named", "paths_of"]

Paths = Path | str | Sequence[Path | str]


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How a fit runs; none of it changes the model.

    Attributes:
        layout: Of the data set; "auto" recognises it.
        cache: Folder of the feature store; the user's cache folder by default.
        resume: Go on with an interrupted fit.
        overwrite: Replace a model that is already there.
        strict: Stop at the first picture that cannot be read.
        device: "cpu", "cuda", or "auto": the first GPU if there is one.
    """

    layout: str = "auto"
    cache: Path | None = None
    resume: bool = False
    overwrite: bool = False
    strict: bool = False
    device: str = "auto"


def paths_of(data: Paths) -> tuple[Path, ...]:
    """One path or several, as paths."""
    given = [data] if isinstance(data, Path | str) else data
    return tuple(map(Path, given))


def named(paths: tuple[Path, ...]) -> str:
    """The paths in a sentence."""
    return ", ".join(map(str, paths))
