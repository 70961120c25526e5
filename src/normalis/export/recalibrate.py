"""The thresholds of a graph that does not score as the model that it came from."""

from dataclasses import astuple, replace

import numpy as np

from normalis.calibration import calibrate
from normalis.export.info import ExportInfo
from normalis.export.made_from import MadeFrom, prepared
from normalis.export.runtimes import AbstractRuntime
from normalis.results import MapRange

__all__ = ["recalibrated"]


def recalibrated(info: ExportInfo, runtime: AbstractRuntime, *, found: MadeFrom) -> ExportInfo:
    """The metadata with the graph's own scores of the held-out pictures, and its maps' range.

    Args:
        info: With the model's own.
        runtime: The graph.
        found: The model's pictures.
    """
    rows: list[tuple[float, int, float, float]] = []
    for pixels in prepared(found.held_out, info.preparation):
        said = runtime.run(pixels)
        usual, highest = float(np.median(said.map)), float(said.map.max())
        rows.append((float(said.score[0]), int(said.concept[0]), usual, highest))
    score, concept, usual, highest = (np.array(column) for column in zip(*rows, strict=True))
    groups = np.array(found.groups) if found.groups else None
    calibration = calibrate(score, concept, settings=found.settings, groups=groups)
    own = MapRange.of(usual, highest, far=found.settings.far)
    map_range = info.map_range if info.map_meaning else astuple(own)
    return replace(info, calibration=calibration.to_json(), map_range=map_range)
