"""From scores to p-values and decisions at a stated false-alarm rate (split-conformal).

Held-out normal pictures, which training never saw, tell how high normal pictures score. A new
normal picture is as likely to take any rank among them as any other, so

    p = (1 + #{held-out ≥ score}) / (n + 1)

falls to or below a rate r with chance at most r, whatever the scores' distribution (Vovk,
Gammerman and Shafer, *Algorithmic Learning in a Random World*, 2005). With n pictures no rate
below 1 / (n + 1) can be promised: a lower wish is decided at that rate, and said.

Where it is asked for, a concept with enough pictures is compared with its own alone. To keep the
promise over all pictures, the others are then compared with the *other* pictures, not with all of
them: the groups share out the held-out pictures without overlap (Mondrian conformal prediction).
"""

import json
import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import ConfigDict, TypeAdapter, ValidationError

from normalis.errors import BundleError, FitError, SettingsError

__all__ = ["Calibration", "CalibrationSettings", "Decision", "calibrate", "split_holdout"]

_ROUNDING = 1e-9  # far * (n + 1) of a rate such as 0.07 falls short of its integer by a rounding


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
        by_concept: (concept, its scores, rising) of each concept that stands alone.
        others: The scores of all other concepts together, rising; empty if no concept stands
            alone, or if all do.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    far: float
    scores: tuple[float, ...]
    by_concept: tuple[tuple[int, tuple[float, ...]], ...] = ()
    others: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _require_rate("far", self.far)
        if not self.scores or not all(map(math.isfinite, self.scores)):
            raise FitError("A calibration needs at least one held-out score, all of them finite.")
        groups = [scores for _, scores in self.by_concept] + [self.others]
        if any(list(group) != sorted(group) for group in [self.scores, *groups]):
            raise FitError("A calibration's held-out scores must rise.")
        if self.by_concept and sorted(sum(groups, ())) != list(self.scores):
            raise FitError("A calibration's concepts must share out its held-out scores.")

    def p_value(self, score: float, concept: int | None = None) -> float:
        """(1 + number of held-out scores ≥ score) / (n + 1), in (0, 1].

        Raises:
            ValueError: If the score is NaN.
        """
        if math.isnan(score):
            raise ValueError("A score is not a number (NaN): it has no p-value.")
        scores = self._group(concept)[1]
        return (1 + len(scores) - bisect_left(scores, score)) / (len(scores) + 1)

    def threshold(self, concept: int | None = None, far: float | None = None) -> float:
        """The score above which (not at which) a picture is called anomalous.

        Args:
            concept: The picture's concept, if it has one.
            far: Another false-alarm rate than the calibration's own.
        """
        scores = self._group(concept)[1]
        return scores[len(scores) - self._rank(concept, far)]

    def decide(
        self, score: float, concept: int | None = None, *, far: float | None = None
    ) -> Decision:
        """Compare one picture's score with the held-out ones.

        Raises:
            ValueError: If the score is NaN.
            SettingsError: If the rate does not lie in (0, 1).
        """
        group, scores = self._group(concept)
        threshold = self.threshold(concept, far)
        return Decision(
            p_value=self.p_value(score, concept),
            is_anomaly=score > threshold,
            threshold=threshold,
            far_promised=self._rank(concept, far) / (len(scores) + 1),
            group=group,
        )

    def compared_with(self, concept: int | None = None) -> tuple[float, ...]:
        """The held-out scores, rising, that pictures of a concept are compared with."""
        return self._group(concept)[1]

    def lowest_far(self, concept: int | None = None) -> float:
        """The lowest false-alarm rate that can be promised: 1 / (n + 1)."""
        return 1 / (len(self._group(concept)[1]) + 1)

    def promise(self) -> str:
        """One sentence: what false-alarm rate holds, and what cannot be promised."""
        smallest = min([self.others or self.scores, *(s for _, s in self.by_concept)], key=len)
        count = len(smallest)
        lowest = 1 / (count + 1)
        sentence = (
            f"with {count} held-out picture{'s' if count > 1 else ''} the lowest false-alarm rate "
            f"that can be promised is {_percent(lowest)}"
        )
        if _allowed(self.far, count) > 0:
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

    def _group(self, concept: int | None) -> tuple[str, tuple[float, ...]]:
        """The held-out scores that a picture of this concept is compared with, and their name."""
        for known, scores in self.by_concept:
            if known == concept:
                return f"concept {concept}", scores
        return ("other concepts", self.others) if self.others else ("global", self.scores)

    def _rank(self, concept: int | None, far: float | None) -> int:
        """The threshold is the rank-th highest held-out score."""
        rate = self.far if far is None else far
        _require_rate("far", rate)
        return max(1, _allowed(rate, len(self._group(concept)[1])))


def calibrate(
    scores: Float[np.ndarray, " n"],
    concepts: Int[np.ndarray, " n"],
    *,
    settings: CalibrationSettings,
) -> Calibration:
    """Fit a calibration on the scores of held-out normal pictures.

    Args:
        scores: Image scores, higher is more anomalous. Nothing that shapes a score (weights,
            standardisation, choice of epoch) may have been fitted on these very pictures, or the
            promise is only approximate.
        concepts: Each picture's concept as the model itself named it.
        settings: The rate wished for, and whether concepts stand alone.

    Raises:
        FitError: If there is no score, or one is not finite.
    """
    if len(scores) == 0 or not np.isfinite(scores).all():
        raise FitError(
            f"Calibration got {len(scores)} held-out scores, {np.isfinite(scores).sum()} of them "
            "finite: it needs at least one, all of them finite. Give more normal pictures."
        )
    alone = _concepts_alone(concepts, settings) if settings.per_concept else []
    rest = ~np.isin(concepts, alone)
    return Calibration(
        far=settings.far,
        scores=_rising(scores),
        by_concept=tuple((concept, _rising(scores[concepts == concept])) for concept in alone),
        others=_rising(scores[rest]) if alone else (),
    )


def split_holdout(
    groups: Int[np.ndarray, " n"], *, share: float, seed: int
) -> Bool[np.ndarray, " n"]:
    """Choose the pictures to hold out, by chance and evenly over the groups.

    Args:
        groups: Each picture's group (a concept, a cluster or a folder).
        share: The share to hold out, in (0, 1); the total is as close to it as the rules allow.
        seed: The same seed and groups give the same choice.

    Returns:
        True for a held-out picture: at least one of a group of 4 or more, never all of a group.

    Raises:
        SettingsError: If the share does not lie in (0, 1).
    """
    _require_rate("share", share)
    _, member, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    quota = _quotas(sizes, share)
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(groups), dtype=bool)
    for group, count in enumerate(quota):
        held_out[generator.permutation(np.flatnonzero(member == group))[:count]] = True
    return held_out


def _concepts_alone(concepts: Int[np.ndarray, " n"], settings: CalibrationSettings) -> list[int]:
    """The concepts with enough pictures, such that all the others together have enough too."""
    names, sizes = np.unique(concepts, return_counts=True)
    enough = [_allowed(settings.far, int(size)) > 0 for size in sizes]
    by_size = np.argsort(sizes, kind="stable")
    alone = [k for k in by_size if enough[k]]
    left = int(sum(size for size, ok in zip(sizes, enough, strict=True) if not ok))
    while alone and left and not _allowed(settings.far, left):
        left += int(sizes[alone.pop(0)])
    return sorted(int(names[k]) for k in alone)


def _quotas(sizes: Int[np.ndarray, " g"], share: float) -> Int[np.ndarray, " g"]:
    """How many to hold out of each group: the largest remainders fill up the total."""
    wished = share * sizes
    highest = np.maximum(sizes - 1, 0)
    quota = np.clip(np.floor(wished).astype(np.int64), np.where(sizes >= 4, 1, 0), highest)
    missing = round(share * int(sizes.sum())) - int(quota.sum())
    for group in np.argsort(quota - wished, kind="stable"):
        if missing > 0 and quota[group] < highest[group]:
            quota[group] += 1
            missing -= 1
    return quota


def _allowed(far: float, count: int) -> int:
    """How many of the count + 1 ranks may be called anomalous at this rate."""
    return min(count, math.floor(far * (count + 1) + _ROUNDING))


def _rising(scores: Float[np.ndarray, " n"]) -> tuple[float, ...]:
    return tuple(float(score) for score in np.sort(scores))


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
