"""The published score of HGAD: relative to the whole test set of each known class."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from normalis.api.judges import Judgement
from normalis.api.masks import Mask, mask_of
from normalis.datasets.sample import GOOD, Sample, printable
from normalis.detectors.hgad.detector import HGAD
from normalis.detectors.hgad.paper import Quantities, product_maps
from normalis.detectors.levels import upsample
from normalis.errors import DatasetError, SettingsError
from normalis.evaluation.evaluator import Evaluator
from normalis.evaluation.figures import Evaluation, ImageResult, no_figures
from normalis.evaluation.protocol import HONEST, PAPER, Needs
from normalis.evaluation.result import Judged
from normalis.images.prepare import Frame
from normalis.progress import Observer
from normalis.results import Skipped
from normalis.scoring import Scorer

__all__ = ["judge_sets"]

LONGEST_SIDE = 256  # of the published maps, before they are blurred (METHODS §2.4)
NEEDS = Needs(test_set=True, test_labels=True)


@dataclass(frozen=True)
class _Entry:
    """A picture on its way to a score: its sample, its frame, and what its score is made of."""

    sample: Sample
    frame: Frame
    label: int
    quantities: Quantities


def judge_sets(scorer: Scorer, samples: Sequence[Sample], *, observer: Observer) -> Judgement:
    """Score the test pictures of each class together, and rank them against the truth.

    Args:
        scorer: A model in the published form of HGAD.
        samples: Labelled, each of a class that the model has learned.
        observer: Hears of the progress.

    Returns:
        Pictures without decisions, and no honest figures: that protocol does not accept the score.

    Raises:
        DatasetError: A picture of no class that the model has learned.
    """
    PAPER.accept(NEEDS, score="published score")
    observer.stage("scoring", len(samples))
    skipped: list[tuple[str, str]] = []
    sets: dict[str, list[_Entry]] = {}
    for entry in _entries(scorer, samples, skipped, observer):
        sets.setdefault(entry.sample.category or "", []).append(entry)
    judge, pictures = Evaluator(score="paper"), dict[str, Judged]()
    with scorer.watch.measure("figures"):
        for entries in sets.values():
            for one in _judged(scorer, entries, judge=judge, skipped=skipped):
                pictures[one.name] = one
        paper = judge.finish()
    return Judgement(
        pictures=tuple(pictures[s.name] for s in samples if s.name in pictures),
        honest=_refused(paper),
        paper=paper,
        curves=judge.curves(),
        skipped=tuple(skipped),
    )


def _entries(
    scorer: Scorer,
    samples: Sequence[Sample],
    skipped: list[tuple[str, str]],
    observer: Observer,
) -> Iterator[_Entry]:
    """What each picture's score is made of; small, so that a whole set can be kept."""
    detector = scorer.detector
    assert isinstance(detector, HGAD)
    classes = {name: index for index, name in enumerate(scorer.concept_names)}
    for sample in samples:
        if sample.category not in classes:
            raise DatasetError(
                f"{sample.name}: the model has not learned the class '{sample.category}', and its "
                f"score needs the true one; it has learned: {', '.join(classes)}."
            )
    described = scorer.describe([sample.path for sample in samples])
    for sample, one in zip(samples, described, strict=True):
        if isinstance(one, Skipped):
            skipped.append((sample.name, printable(one.reason)))
        else:
            label = classes[sample.category or ""]
            frame, maps = one
            told = torch.tensor([label], device=maps[0].device)
            yield _Entry(sample, frame, label, detector.quantities(maps, told))
        observer.advance()


def _judged(
    scorer: Scorer,
    entries: list[_Entry],
    *,
    judge: Evaluator,
    skipped: list[tuple[str, str]],
) -> Iterator[Judged]:
    """The pictures of one class."""
    whole = (scorer.preparation.height, scorer.preparation.width)
    shrink = LONGEST_SIDE / max(LONGEST_SIDE, *whole)
    size = (round(shrink * whole[0]), round(shrink * whole[1]))
    maps = product_maps(Quantities.joined([e.quantities for e in entries]), size)
    for entry, values in zip(entries, maps, strict=True):
        sample, score = entry.sample, float(values.max())
        frame = entry.frame
        mask = mask_of(sample, size=(frame.original_height, frame.original_width), skipped=skipped)
        full = upsample(values[None], whole)[0].cpu().numpy()
        result = ImageResult(
            sample.name,
            sample.category,
            is_defect=bool(sample.is_defect),
            score=score,
            paper_score=score,
        )
        judge.add(result, map=frame.to_original(full), mask=mask)
        yield _row(entry, score, mask)


def _row(entry: _Entry, score: float, mask: Mask | None) -> Judged:
    """A picture without a decision: nothing is called a defect, and nothing is promised."""
    sample, frame = entry.sample, entry.frame
    return Judged(
        name=sample.name,
        category=sample.category,
        defect=sample.defect or GOOD,
        is_defect=bool(sample.is_defect),
        score=score,
        paper_score=score,
        p_value=1.0,
        is_anomaly=False,
        threshold=score,
        far_promised=1.0,
        concept=entry.label,
        size=(frame.original_width, frame.original_height),
        has_mask=mask is not None,
    )


def _refused(paper: Evaluation) -> Evaluation:
    """No figures, and why."""
    reason = ""
    try:
        HONEST.accept(NEEDS, score="published score")
    except SettingsError as error:
        reason = str(error).rstrip(".")
    assert reason
    return no_figures(paper, f"honest protocol: no figures. {reason}")
