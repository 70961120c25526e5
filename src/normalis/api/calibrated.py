"""The last step of a fit: what held-out pictures score."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from normalis.api.pictures import reader
from normalis.calibration import Calibration, calibrate
from normalis.detectors.contract import AbstractDetector
from normalis.detectors.records import Scores
from normalis.features.extract import FeatureTable
from normalis.recipes import Recipe
from normalis.results import MapRange

__all__ = ["Calibrated", "calibrated"]


@dataclass(frozen=True)
class Calibrated:
    """What the held-out pictures say.

    Attributes:
        calibration: How decisions are made.
        map_range: What is usual and high in a map.
        rows: The pictures in the order of the calibration's scores.
    """

    calibration: Calibration
    map_range: MapRange
    rows: tuple[int, ...]


def calibrated(
    detector: AbstractDetector,
    table: FeatureTable,
    *,
    rows: tuple[int, ...],
    groups: Int[np.ndarray, " n"],
    recipe: Recipe,
) -> Calibrated:
    """Score the pictures that were held out for calibration.

    Args:
        detector: Fitted.
        table: The features of all pictures.
        rows: Those held out.
        groups: The part, patient or lot of every picture of the table.
        recipe: How it calibrates.
    """
    device = next(detector.parameters()).device
    batches = [_figures(detector.score(maps)) for maps in reader(table, rows, device=device)]
    image, concept, usual, highest = (
        torch.cat(column).cpu().numpy() for column in zip(*batches, strict=True)
    )
    calibration = calibrate(
        image.astype(np.float64),
        concept,
        settings=recipe.calibration,
        groups=groups[list(rows)],
    )
    map_range = MapRange.of(usual, highest, far=recipe.calibration.far)
    rising = tuple(rows[i] for i in np.argsort(image, kind="stable"))
    return Calibrated(calibration, map_range, rising)


def _figures(scores: Scores) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Score, concept, usual and highest value of each picture; the maps are too big to keep."""
    flat = scores.maps.flatten(1)
    return scores.image, scores.concept, flat.median(1).values, flat.amax(1)
