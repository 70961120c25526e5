"""One tiny model, fitted once by the command itself."""

from pathlib import Path

import pytest
from cli_samples import TINY, Fitted, make_products, run


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp("fitted")
    data = make_products(folder / "data")
    command = ["fit", data, "--out", folder / "model", "--cache", folder / "cache"]
    lines = run(*command, *TINY)
    return Fitted(folder / "model", data, lines)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test touches the user's cache."""
    monkeypatch.setenv("NORMALIS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
