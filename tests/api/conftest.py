"""One world, and one model fitted in it without interruption."""

from pathlib import Path

import pytest
from api_samples import World

from normalis.api import FitSummary


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def whole(world: World) -> tuple[Path, FitSummary]:
    """A fit that nothing interrupts."""
    return world.folder / "whole", world.fit(world.folder / "whole")
