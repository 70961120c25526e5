"""What the model took the test pictures for: its concepts beside the categories."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from normalis.evaluation.result import Judged, Result
from normalis.report.verdicts import class_of

__all__ = ["Concept", "agreement", "concepts"]

_TYPICAL = 4


@dataclass(frozen=True)
class Concept:
    """One concept that learned from pictures, or took some in.

    Attributes:
        number: Its number.
        training: Training pictures it holds; None where the model does not count them.
        fill: The same as a share of the fullest concept's, in [0, 1].
        pictures: Test pictures it took in.
        counts: As many of each class, in the classes' order.
        typical: The least unusual of them with a thumbnail, a few.
    """

    number: int
    training: int | None
    fill: float
    pictures: int
    counts: tuple[int, ...]
    typical: tuple[Judged, ...]


def concepts(result: Result, classes: Mapping[str, int]) -> tuple[Concept, ...]:
    """Every concept with training or test pictures, in their order."""
    training = dict(enumerate(result.model.concept_pictures))
    taken: dict[int, list[Judged]] = {number: [] for number, held in training.items() if held}
    for picture in result.pictures:
        taken.setdefault(picture.concept, []).append(picture)
    fullest = max([1, *training.values()])
    return tuple(
        _concept(number, taken[number], training.get(number), fullest, classes)
        for number in sorted(taken)
    )


def agreement(found: tuple[Concept, ...]) -> float | None:
    """Share of the test pictures that lie in a concept where most are of their class."""
    total = sum(concept.pictures for concept in found)
    return sum(max(concept.counts, default=0) for concept in found) / total if total else None


def _concept(
    number: int,
    pictures: list[Judged],
    training: int | None,
    fullest: int,
    classes: Mapping[str, int],
) -> Concept:
    counted = Counter(class_of(picture) for picture in pictures)
    shown = [picture for picture in pictures if picture.picture]
    return Concept(
        number=number,
        training=training,
        fill=(training or 0) / fullest,
        pictures=len(pictures),
        counts=tuple(counted[name] for name in classes),
        typical=tuple(sorted(shown, key=lambda picture: picture.score)[:_TYPICAL]),
    )
