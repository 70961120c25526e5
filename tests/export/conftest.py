"""One model of each preset, and one export of it for each runtime, made when first asked for."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from export_samples import fit_preset

from normalis.export.info import Format
from normalis.export.write import export_model, program_of

__all__ = ["exported", "model"]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("models")
    return cache(lambda name: fit_preset(name, folder))


@pytest.fixture(scope="session")
def exported(
    model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Format], Path]:
    folder = tmp_path_factory.mktemp("exported")

    program = cache(program_of)  # most of the work, and the same for every format

    @cache
    def export(name: str, target: Format) -> Path:
        out = folder / f"{name}-{target}"
        export_model(model(name), out, format=target, program=program(model(name)))
        return out

    return export
