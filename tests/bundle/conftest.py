"""One saved model, and copies of it to damage."""

import shutil
from pathlib import Path

import pytest
from bundle_samples import World, saved

from small_world import small_recipe, write_pictures, write_weights


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A bundle, the scorer that was saved in it, and pictures; the weights' file is gone."""
    folder = tmp_path_factory.mktemp("bundle")
    weights = write_weights(folder)
    scorer = saved(folder / "model", small_recipe(weights))
    weights.unlink()
    pictures = sorted(write_pictures(folder / "pictures", 5).iterdir())
    return folder / "model", scorer, pictures


@pytest.fixture
def model(world: World, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(world[0], tmp_path / "model"))
