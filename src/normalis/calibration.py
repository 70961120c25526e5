"""From scores to p-values and decisions at a stated false-alarm rate.

Held-out normal pictures, which training never saw, tell how high normal pictures score
(`normalis.metrics.conformal`). With n of them, each of another part, no rate below 1 / (n + 1) can
be promised: a lower wish is decided at that rate, and said.

Where it is asked for, a concept with enough pictures is compared with its own alone. To keep the
promise over all pictures, the others are then compared with the *other* pictures, not with all of
them: the concepts share out the held-out pictures without overlap (Mondrian conformal prediction).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import ConfigDict, TypeAdapter, ValidationError

from normalis.errors import BundleError, FitError, SettingsError
from normalis.metrics.conformal import HeldOut, can_promise

__all__ = ["Calibration", "CalibrationSettings", "Decision", "calibrate"]


@dataclass(frozen=True, kw_only=True)
class CalibrationSettings:
    """How decisions are calibrated.

    Attributes:
        far: The false-alarm rate wished for: the share of normal pictures called anomalous.
        share: The share of the normal pictures held out for calibration.
        per_concept: Whether a concept with enough held-out pictures is compared with its own.
    """

    far: float = 0.01
    share: float = 0.15
    per_concept: bool = True

    def __post_init__(self) -> None:
        _require_rate("far", self.far)
        _require_rate("share", self.share)


@dataclass(frozen=True)
class Decision:
    """What the calibration says of one picture.

    Attributes:
        p_value: Chance that a normal picture scores as high, in (0, 1].
        is_anomaly: Whether the score lies above the threshold.
        threshold: In the score's own units.
        far_promised: The false-alarm rate that holds for this decision.
        group: The held-out pictures compared with: "global", "concept 3" or "other concepts".
    """

    p_value: float
    is_anomaly: bool
    threshold: float
    far_promised: float
    group: str


@dataclass(frozen=True)
class Calibration:
    """The scores of the held-out normal pictures, and the rate decided at.

    Attributes:
        far: The false-alarm rate wished for, in (0, 1).
        scores: All held-out scores, rising.
        concepts: Each score's concept; () where none stands alone.
        alone: The concepts that are compared with their own scores, rising.
        groups: Of each score, which part, patient or lot the picture shows, as a number; () where
            every picture shows its own.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    far: float
    scores: tuple[float, ...]
    concepts: tuple[int, ...] = ()
    alone: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _require_rate("far", self.far)
        if not self.scores or not all(map(math.isfinite, self.scores)):
            raise FitError("A calibration needs at least one held-out score, all of them finite.")
        if list(self.scores) != sorted(self.scores):
            raise FitError("A calibration's held-out scores must rise.")
        if any(of and len(of) != len(self.scores) for of in (self.concepts, self.groups)):
            raise FitError("A calibration's concepts and groups must be as many as its scores.")
        if not set(self.alone) <= set(self.concepts):
            raise FitError("A calibration's concepts that stand alone must have held-out scores.")

    def p_value(self, score: float, concept: int | None = None) -> float:
        """The chance that a normal picture scores as high, in (0, 1].

        Raises:
            ValueError: If the score is NaN.
        """
        return self.compared_with(concept).p_value(score)

    def threshold(self, concept: int | None = None, far: float | None = None) -> float:
        """The score above which (not at which) a picture is called anomalous.

        Args:
            concept: The picture's concept, if it has one.
            far: Another false-alarm rate than the calibration's own.
        """
        return self.compared_with(concept).threshold(self._rate(far))

    def decide(
        self, score: float, concept: int | None = None, *, far: float | None = None
    ) -> Decision:
        """Compare one picture's score with the held-out ones.

        Raises:
            ValueError: If the score is NaN.
            SettingsError: If the rate does not lie in (0, 1).
        """
        rate, compared = self._rate(far), self.compared_with(concept)
        threshold = compared.threshold(rate)
        return Decision(
            p_value=compared.p_value(score),
            is_anomaly=score > threshold,
            threshold=threshold,
            far_promised=compared.promised(rate),
            group=self._name(concept),
        )

    def compared_with(self, concept: int | None = None) -> HeldOut:
        """The held-out scores that pictures of a concept are compared with."""
        return self._shared_out.get(concept) or self._others

    def lowest_far(self, concept: int | None = None) -> float:
        """The lowest false-alarm rate that can be promised."""
        return self.compared_with(concept).lowest_rate

    def promise(self) -> str:
        """One sentence: what false-alarm rate holds, and what cannot be promised."""
        compared = [*self._shared_out.values(), *([self._others] if self._has_others else [])]
        least = min(compared, key=lambda held_out: held_out.count)
        pictures = _counted(len(least.scores), "held-out picture")
        groups = f" of {_counted(least.count, 'group')}" if self.groups else ""
        sentence = (
            f"with {pictures}{groups} the lowest false-alarm rate that can be promised is "
            f"{_percent(least.lowest_rate)}"
        )
        if can_promise(self.far, least.count):
            return f"{sentence}; decisions are made at {_percent(self.far)}"
        return f"{sentence}: {_percent(self.far)} was wished for, decisions are made at the lowest"

    def to_json(self) -> dict[str, object]:
        """A plain dictionary for JSON, whose floats come back exactly."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, object]) -> "Calibration":
        """Read what `to_json` wrote.

        Raises:
            BundleError: If a key is missing or unknown, or a value is not allowed.
        """
        try:
            return TypeAdapter(Calibration).validate_json(json.dumps(data), strict=True)
        except (ValidationError, FitError, SettingsError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise BundleError(f"The calibration is not valid: {reason}") from error

    @cached_property
    def _shared_out(self) -> Mapping[int | None, HeldOut]:
        """The scores of each concept that stands alone."""
        concepts = np.array(self.concepts)
        return {concept: self._where(concepts == concept) for concept in self.alone}

    @cached_property
    def _others(self) -> HeldOut:
        """The scores of all other concepts together; of all, where every concept stands alone."""
        others = ~np.isin(self.concepts, self.alone)
        return self._where(others if others.any() else np.ones(len(self.scores), dtype=bool))

    @property
    def _has_others(self) -> bool:
        return not self.alone or set(self.concepts) > set(self.alone)

    def _where(self, chosen: Bool[np.ndarray, " n"]) -> HeldOut:
        groups = np.array(self.groups)[chosen] if self.groups else None
        return HeldOut(np.array(self.scores)[chosen], groups)

    def _name(self, concept: int | None) -> str:
        if concept in self.alone:
            return f"concept {concept}"
        return "other concepts" if self.alone and self._has_others else "global"

    def _rate(self, far: float | None) -> float:
        rate = self.far if far is None else far
        _require_rate("far", rate)
        return rate


def calibrate(
    scores: Float[np.ndarray, " n"],
    concepts: Int[np.ndarray, " n"],
    *,
    settings: CalibrationSettings,
    groups: Int[np.ndarray, " n"] | None = None,
) -> Calibration:
    """Fit a calibration on the scores of held-out normal pictures.

    Args:
        scores: Image scores, higher is more anomalous. Nothing that shapes a score (weights,
            standardisation, choice of epoch) may have been fitted on these very pictures, or the
            promise is only approximate.
        concepts: Each picture's concept as the model itself named it.
        settings: The rate wished for, and whether concepts stand alone.
        groups: Which part, patient or lot each picture shows; each its own by default.

    Raises:
        FitError: If there is no score, or one is not finite.
    """
    if len(scores) == 0 or not np.isfinite(scores).all():
        raise FitError(
            f"Calibration got {len(scores)} held-out scores, {np.isfinite(scores).sum()} of them "
            "finite: it needs at least one, all of them finite. Give more normal pictures."
        )
    own = np.arange(len(scores))
    group = own if groups is None else groups
    alone = _concepts_alone(concepts, group, far=settings.far) if settings.per_concept else []
    rising = np.argsort(scores, kind="stable")
    return Calibration(
        far=settings.far,
        scores=tuple(scores[rising].astype(np.float64).tolist()),
        concepts=tuple(concepts[rising].tolist()) if alone else (),
        alone=tuple(alone),
        groups=tuple(group[rising].tolist()) if len(np.unique(group)) < len(group) else (),
    )


def _concepts_alone(
    concepts: Int[np.ndarray, " n"], groups: Int[np.ndarray, " n"], *, far: float
) -> list[int]:
    """The concepts with enough pictures, such that all the others together have enough too."""

    def enough(names: Sequence[int]) -> bool:
        among = groups[np.isin(concepts, names)]
        return can_promise(far, len(among)) and can_promise(far, len(np.unique(among)))

    names, sizes = np.unique(concepts, return_counts=True)
    by_size = [int(names[k]) for k in np.argsort(sizes, kind="stable")]
    alone = [name for name in by_size if enough([name])]
    left = [name for name in by_size if name not in alone]
    while alone and left and not enough(left):
        left.append(alone.pop(0))
    return sorted(alone)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"


def _percent(rate: float) -> str:
    """A rate with two significant digits: 0.0244 is "2.4 %"."""
    return (
        f"{np.format_float_positional(100 * rate, 2, unique=False, fractional=False, trim='-')} %"
    )


def _require_rate(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise SettingsError(
            f"The setting {name} is a rate between 0 and 1 (excluded), not {value}."
        )
