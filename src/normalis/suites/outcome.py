"""What came of a suite: every run's figures, times and memory."""

from dataclasses import dataclass
from typing import Any

from normalis.evaluation.figures import Evaluation
from normalis.evaluation.result import Positions, Stage
from normalis.suites.suite import Run, Suite

__all__ = ["SCHEMA", "Benchmark", "FitRecord", "NotRun", "Outcome", "RunRecord"]

SCHEMA = 1
"""Rises when a reader of a run's record, or of the benchmark's JSON, would have to change."""


@dataclass(frozen=True, kw_only=True)
class FitRecord:
    """How a fit went.

    Attributes:
        seconds: Of the whole fit.
        stages: Of its parts; features that were computed before cost nothing.
        epochs: Passes that were made.
        validation: The lowest mean negative log-likelihood of the pictures held out to watch the
            training; None without any.
        purity: Of the concepts in the last epoch; None where categories are not known.
        concept_pictures: Training pictures of each concept found.
        skipped: Pictures that could not be read.
    """

    seconds: float
    stages: tuple[Stage, ...]
    epochs: int
    validation: float | None
    purity: float | None
    concept_pictures: tuple[int, ...]
    skipped: int


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What a run leaves beside its result.

    Attributes:
        schema: Of this record.
        key: What the run was made from, as sha256.
        fit: How the fit went.
        evaluation_seconds: Of the evaluation.
        peak_memory: Bytes of memory that the run's own process held at most; None where
            the system does not tell.
        continued: Whether it went on from an interrupted run; times and memory are then those of
            the last part.
    """

    schema: int
    key: str
    fit: FitRecord
    evaluation_seconds: float
    peak_memory: int | None
    continued: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A run that was made.

    Attributes:
        run: Which.
        folder: Of its result, below the benchmark's, with forward slashes.
        record: Times and memory.
        honest: Figures by the score that users get.
        paper: Figures by the published score.
        stages: How long the parts of the evaluation took.
        skipped: Test pictures that could not be read, and why.
        machine: What it ran on, and versions.
        recipe: All settings, nested plain values.
        positions: How the values of its maps are spread; None without honest maps.
    """

    run: Run
    folder: str
    record: RunRecord
    honest: Evaluation
    paper: Evaluation
    stages: tuple[Stage, ...]
    skipped: tuple[tuple[str, str], ...]
    machine: dict[str, str]
    recipe: dict[str, Any]
    positions: Positions | None = None


@dataclass(frozen=True, kw_only=True)
class NotRun:
    """A run that was not made.

    Attributes:
        run: Which.
        reason: Why, a sentence.
        is_failure: Whether it was tried; its data are absent otherwise.
    """

    run: Run
    reason: str
    is_failure: bool


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What came of a suite.

    Attributes:
        suite: Which.
        outcomes: The runs that were made, in the suite's order.
        not_run: The others.
        machine: What the last part of it ran on, and versions.
    """

    suite: Suite
    outcomes: tuple[Outcome, ...]
    not_run: tuple[NotRun, ...]
    machine: dict[str, str]
