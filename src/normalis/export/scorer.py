"""An exported model, ready for pictures. Nothing here needs torch."""

from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float32
from pydantic import TypeAdapter

from normalis.answering import AbstractScorer, Measured
from normalis.bundle.manifest import MANIFEST
from normalis.bundle.sealed import file_digest
from normalis.calibration import Calibration
from normalis.errors import BundleError, ExportError
from normalis.export.info import ExportInfo, read_export
from normalis.export.runtimes import AbstractRuntime, open_runtime
from normalis.images.prepare import Preparation
from normalis.results import MapRange

__all__ = ["ExportedScorer", "load_export", "load_export_of"]


@final
class ExportedScorer(AbstractScorer):
    """Scores pictures by an exported graph, with the answers of the model that it came from.

    Args:
        runtime: The graph.
        preparation: How pictures come to the graph's size.
        calibration: Turns scores into p-values and decisions.
        map_range: What the map's values mean.
        concept_names: What each concept is called; () where concepts have numbers alone.
    """

    def __init__(
        self,
        runtime: AbstractRuntime,
        preparation: Preparation,
        *,
        calibration: Calibration,
        map_range: MapRange,
        concept_names: tuple[str, ...] = (),
    ) -> None:
        super().__init__(
            preparation,
            calibration=calibration,
            map_range=map_range,
            concept_names=concept_names,
        )
        self.runtime = runtime

    def measure(
        self,
        pixels: Float32[np.ndarray, "b 3 h w"],
        *,
        paper: bool = False,
        position: Float32[np.ndarray, " b"] | None = None,
    ) -> Measured:
        """Score prepared pictures together.

        Raises:
            ExportError: Pictures of another size than the graph's, or the published scores are
                asked for, which no graph holds.
        """
        size = (self.preparation.height, self.preparation.width)
        if pixels.shape[2:] != size:
            raise ExportError(
                f"The exported model takes pictures of {size[0]}x{size[1]} pixels (height x "
                f"width), not of {pixels.shape[2]}x{pixels.shape[3]}; prepare them as it states."
            )
        assert position is None, "no model of slices that know their place is exported"
        if paper:
            raise ExportError("An exported model has no published scores; use the model itself.")
        said = self.runtime.run(np.ascontiguousarray(pixels))
        return Measured(
            maps=said.map,
            image=said.score,
            concept=said.concept,
            probability=said.concept_probability,
        )


def load_export(path: Path, *, threads: int | None = None) -> ExportedScorer:
    """Open an exported model.

    Args:
        path: Its folder, or the graph in it.
        threads: Processor cores to use; None leaves it to the runtime.

    Raises:
        BundleError: No metadata, a newer schema, or a changed file.
        ExportError: Its runtime is not installed.
    """
    return _scorer(*read_export(path), threads=threads)


def load_export_of(model: Path, path: Path) -> tuple[ExportedScorer, Path, ExportInfo]:
    """Open an exported model that was made from a certain one.

    Args:
        model: The folder of the fitted model.
        path: The folder of the exported one, or the graph in it.

    Returns:
        The scorer, its folder, and what it says of itself.

    Raises:
        BundleError: As `load_export`; or it was made from another model.
        ExportError: Its runtime is not installed.
    """
    folder, info = read_export(path)
    if info.source != file_digest(model / MANIFEST):
        raise BundleError(
            f"{folder}: was not exported from {model}, or that was fitted anew since; export the "
            "model again, or give the one that this came from."
        )
    return _scorer(folder, info), folder, info


def _scorer(folder: Path, info: ExportInfo, *, threads: int | None = None) -> ExportedScorer:
    return ExportedScorer(
        open_runtime(folder, info.format, precision=info.precision, threads=threads),
        TypeAdapter(Preparation).validate_python(info.preparation),
        calibration=Calibration.from_json(info.calibration),
        map_range=MapRange(*info.map_range),
        concept_names=info.concept_names,
    )
