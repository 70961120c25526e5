"""A fitted model in the library, ready for pictures."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from normalis.ahead import ahead, threads_for, usable_cores
from normalis.answering import AbstractScorer, Measured, MeasuredPaper
from normalis.backbones.pyramid import AbstractPyramid
from normalis.calibration import Calibration
from normalis.detectors.contract import AbstractDetector
from normalis.detectors.records import PaperScores, Scores
from normalis.errors import SettingsError
from normalis.images.prepare import Frame, Preparation
from normalis.results import MapRange, Skipped

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
    def measure(
        self,
        pixels: Float32[np.ndarray, "b 3 h w"],
        *,
        paper: bool = False,
        position: Float32[np.ndarray, " b"] | None = None,
    ) -> Measured:
        """Score prepared pictures together."""
        maps = self.features(pixels)
        if position is not None:
            maps.append(torch.from_numpy(position).to(self.pyramid.device).view(-1, 1, 1, 1))
        scores = self.detector.score(maps)
        return Measured(
            maps=_numpy(scores.maps),
            image=_numpy(scores.image),
            concept=scores.concept.cpu().numpy(),
            probability=None if scores.probability is None else _numpy(scores.probability),
            restored=None if scores.restored is None else _numpy(scores.restored),
            paper=_measured_paper(self._published(scores, maps)) if paper else None,
        )

    def describe(
        self, paths: Iterable[Path | str]
    ) -> Iterator[tuple[Frame, list[Tensor]] | Skipped]:
        """The features of pictures one after another, for what is made of a whole set of them.

        Args:
            paths: Files of pictures; read as they are needed. Each gives how the prepared picture
                lies over the original, and its maps, `1 c h w`.
        """
        read = partial(self.open, strict=False)
        threads = threads_for(None)
        for item in ahead(map(Path, paths), read, threads=threads, most=self.batch_size):
            is_skipped = isinstance(item, Skipped)
            yield item if is_skipped else (item.frame, self.features(item.pixels[None]))

    def features(self, pixels: Float32[np.ndarray, "b 3 h w"]) -> list[Float32[Tensor, "b _ _ _"]]:
        """The maps of prepared pictures, channels last, as the detector computes fastest."""
        maps = self.pyramid(torch.from_numpy(pixels).to(self.pyramid.device))
        return [level.contiguous(memory_format=torch.channels_last) for level in maps]

    def check(self) -> None:
        """Refuse where no picture has a score of its own.

        Raises:
            SettingsError: The model's only score is relative to a whole test set.
        """
        if self.detector.scores_sets:
            raise SettingsError(
                "This model's score is relative to the whole test set of a known class, as "
                "published, and no picture has one of its own: use 'normalis evaluate', or fit "
                "with the preset 'hgad'."
            )

    @property
    def at_once(self) -> int:
        """On processor cores, as many batches as there are cores for; one on anything else."""
        if self.pyramid.device.type != "cpu":
            return 1
        return max(1, usable_cores() // torch.get_num_threads())

    @property
    def located(self) -> bool:
        """Whether the model must be told where in its volume each slice lies."""
        return self.detector.located

    def _published(self, scores: Scores, maps: list[Tensor]) -> PaperScores:
        """The published scores, computed only where they differ."""
        if self.detector.scores_as_published:
            return PaperScores.same_as(scores)
        return self.detector.paper_scores(maps)


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
