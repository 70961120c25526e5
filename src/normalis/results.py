"""Answers for pictures, in original pixels. Nothing here needs torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8

from normalis.calibration import Decision
from normalis.images.decode import Picture
from normalis.images.regions import Box, Peak

__all__ = ["MapRange", "PaperAnswer", "Result", "Skipped"]


@dataclass(frozen=True)
class MapRange:
    """What the values of this model's maps mean.

    Attributes:
        low: The usual value: the median over held-out normal pictures.
        high: The value that a normal picture's highest point passes at the chosen false-alarm
            rate; places above it are marked.
    """

    low: float
    high: float

    @staticmethod
    def of(
        usual: Float[np.ndarray, " n"], highest: Float[np.ndarray, " n"], *, far: float
    ) -> "MapRange":
        """From the median and the highest value of each held-out picture's map."""
        high = np.quantile(highest, 1 - far, method="higher")
        return MapRange(float(np.median(usual)), float(high))


@dataclass(frozen=True)
class PaperAnswer:
    """The published scores of one picture, relative to its own maximum; original pixels.

    Attributes:
        additive: float32 `H W`, the map of the published pixel AUROC.
        multiplicative: float32 `H W`, the map of the published per-region overlap.
        score: The published image score.
    """

    additive: Float32[np.ndarray, "h w"]
    multiplicative: Float32[np.ndarray, "h w"]
    score: float


@dataclass(frozen=True)
class Result:
    """The answer for one picture; everything spatial is in original pixels.

    Attributes:
        path: The picture's file.
        picture: The picture itself.
        map: float32 `H W`, standard deviations above the usual; higher is more anomalous.
        score: The image score; higher is more anomalous.
        decision: p-value, threshold and verdict.
        concept: Index of the concept that the picture shows.
        peak: The highest point of the map.
        box: Around the marked region that holds the peak; None where nothing is marked.
        concept_name: Its category, where the model learned categories.
        concept_probability: In [0, 1], how sure the concept is; None where the method is silent.
        restored: uint8 `H W 3`, RGB, the picture without what is unusual in it; None where the
            method does not say.
        paper: The published scores, where they were asked for.
    """

    path: Path
    picture: Picture
    map: Float32[np.ndarray, "h w"]
    score: float
    decision: Decision
    concept: int
    peak: Peak
    box: Box | None
    concept_name: str | None = None
    concept_probability: float | None = None
    restored: UInt8[np.ndarray, "h w 3"] | None = None
    paper: PaperAnswer | None = None


@dataclass(frozen=True)
class Skipped:
    """A picture that could not be scored, and why."""

    path: Path
    reason: str
