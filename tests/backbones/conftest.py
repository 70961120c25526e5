"""Tiny networks that timm keeps for tests, with random weights in a file."""

from collections.abc import Callable
from pathlib import Path

import pytest
from backbone_samples import random_state
from safetensors.torch import save_file


@pytest.fixture(scope="session")
def weights_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return a function that writes a random network's weights to a .safetensors file."""
    folder = tmp_path_factory.mktemp("weights")

    def write(name: str) -> str:
        path = folder / f"{name}.safetensors"
        if not path.exists():
            save_file(random_state(name), path)
        return str(path)

    return write


@pytest.fixture
def shared() -> Path:
    """Return the folder of real data and weights beside the repository, or skip the test."""
    folder = Path(__file__).parents[2].parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder shared/ with real pictures and weights is not here")
    return folder
