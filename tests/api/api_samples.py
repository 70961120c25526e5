"""A small world to fit models in."""

from pathlib import Path
from typing import Any

import pytest

from normalis.api import FitOptions, FitSummary, fit
from normalis.bundle.sealed import file_digest
from normalis.errors import NormalisError
from normalis.recipes import Recipe
from small_world import Listener, small_recipe, write_pictures, write_weights

__all__ = ["World", "files", "refused"]


class World:
    """Pictures, weights and a cache; and models fitted with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = write_pictures(folder / "data", 30)
        self.weights = write_weights(folder)
        self.cache = folder / "cache"

    def recipe(self, **training: Any) -> Recipe:
        return small_recipe(self.weights, **training)

    def fit(
        self,
        out: Path,
        *,
        data: Path | None = None,
        recipe: Recipe | None = None,
        observer: Listener | None = None,
        device: str = "cpu",
        **options: Any,
    ) -> FitSummary:
        return fit(
            data or self.data,
            out,
            recipe=recipe or self.recipe(),
            options=FitOptions(cache=self.cache, device=device, **options),
            observer=observer,
        )


def files(model: Path) -> dict[str, str]:
    """The sha256 of every file: short, so that a failure can be printed."""
    return {path.name: file_digest(path) for path in model.iterdir()}


def refused(world: World, out: Path, *words: str, **given: Any) -> None:
    """A fit that ends with a sentence before any work, and leaves no trace."""
    before = sorted(out.parent.iterdir()) if out.parent.is_dir() else []
    with pytest.raises(NormalisError) as caught:
        world.fit(out, **given)
    for word in words:
        assert word in str(caught.value)
    assert (sorted(out.parent.iterdir()) if out.parent.is_dir() else []) == before
