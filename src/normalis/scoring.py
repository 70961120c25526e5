"""A fitted model in the library, ready for pictures."""

from typing import final

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from normalis.backbones.pyramid import AbstractPyramid
from normalis.calibration import Calibration
from normalis.detectors.contract import AbstractDetector, PaperScores
from normalis.features.store import as_stored
from normalis.images.prepare import Preparation
from normalis.results import AbstractScorer, MapRange, Measured, MeasuredPaper

__all__ = ["Scorer"]


@final
class Scorer(AbstractScorer):
    """Scores pictures by a backbone and a detector.

    Args:
        pyramid: The backbone.
        preparation: How pictures come to the backbone's size.
        detector: The fitted detector, in evaluation mode.
        calibration: Turns scores into p-values and decisions.
        map_range: What the map's values mean.
        concept_names: What each concept is called; () where concepts have numbers alone.
        batch_size: Pictures scored together; it bounds the memory and changes no answer.
    """

    def __init__(
        self,
        pyramid: AbstractPyramid,
        preparation: Preparation,
        *,
        detector: AbstractDetector,
        calibration: Calibration,
        map_range: MapRange,
        concept_names: tuple[str, ...] = (),
        batch_size: int = 8,
    ) -> None:
        super().__init__(
            preparation,
            calibration=calibration,
            map_range=map_range,
            concept_names=concept_names,
            batch_size=batch_size,
        )
        self.pyramid = pyramid
        self.detector = detector

    @torch.inference_mode()
    def measure(self, pixels: Float32[np.ndarray, "b 3 h w"], *, paper: bool = False) -> Measured:
        """Score prepared pictures together."""
        # The calibration's scores come from stored features, so new ones are rounded alike.
        maps = as_stored(self.pyramid(torch.from_numpy(pixels).to(self.pyramid.device)))
        scores = self.detector.score(maps)
        return Measured(
            maps=_numpy(scores.maps),
            image=_numpy(scores.image),
            concept=scores.concept.cpu().numpy(),
            probability=None if scores.probability is None else _numpy(scores.probability),
            paper=_measured_paper(self.detector.paper_scores(maps)) if paper else None,
        )


def _measured_paper(scores: PaperScores) -> MeasuredPaper:
    """The published scores as arrays."""
    return MeasuredPaper(
        additive=_numpy(scores.additive),
        multiplicative=_numpy(scores.multiplicative),
        image=_numpy(scores.image),
    )


def _numpy(values: Tensor) -> Float32[np.ndarray, "..."]:
    """float32 on the processor."""
    return values.float().cpu().numpy()
