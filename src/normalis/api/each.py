"""The score of each picture on its own, judged on a labelled test set."""

from typing import Protocol, runtime_checkable

from normalis.answering import AbstractScorer
from normalis.api.judges import Judgement, Judges
from normalis.api.masks import Mask, mask_of
from normalis.datasets.sample import GOOD, Sample, printable
from normalis.evaluation.figures import no_figures
from normalis.evaluation.result import Drawn, Judged
from normalis.progress import Observer
from normalis.results import Result as Answer
from normalis.results import Skipped
from normalis.scoring import Scorer

__all__ = ["Draw", "judge_each"]

_UNPUBLISHED = "paper protocol: no figures. An exported model has no published scores"


@runtime_checkable
class Draw(Protocol):
    """Draws a scored picture; `report.thumbnails.Thumbnails.draw` is one."""

    def __call__(
        self, sample: Sample, answer: Answer, *, mask: Mask | None, number: int
    ) -> Drawn | None:
        """Draw it, or do not and give None.

        Args:
            sample: With a label.
            answer: What the model said.
            mask: The defect, original pixels; None where none is marked.
            number: In the data set, from 1.
        """
        ...


def judge_each(
    scorer: AbstractScorer, samples: list[Sample], *, draw: Draw | None, observer: Observer
) -> Judgement:
    """Score the test pictures one by one, draw them, and rank them against the truth.

    Args:
        scorer: Of the library, or an exported one, which has no published scores.
        samples: Labelled.
        draw: Draws every scored picture.
        observer: Hears of the progress.
    """
    published = isinstance(scorer, Scorer)
    judges = Judges(published=published)
    pictures: list[Judged] = []
    skipped: list[tuple[str, str]] = []
    observer.stage("scoring", len(samples))
    positions = {one.path: one.position for one in samples if one.position is not None}
    answers = scorer.score(
        [sample.path for sample in samples], paper=published, workers=None, positions=positions
    )
    for number, (sample, answer) in enumerate(zip(samples, answers, strict=True), start=1):
        if isinstance(answer, Skipped):
            skipped.append((sample.name, printable(answer.reason)))
        else:
            with scorer.watch.measure("reading"):
                mask = mask_of(
                    sample, size=(answer.picture.height, answer.picture.width), skipped=skipped
                )
            with scorer.watch.measure("figures"):
                judges.add(sample, answer, mask=mask)
            with scorer.watch.measure("drawing"):
                drawn = draw(sample, answer, mask=mask, number=number) if draw else None
            pictures.append(_row(sample, answer, has_mask=mask is not None, drawn=drawn))
        observer.advance()
    with scorer.watch.measure("figures"):
        honest = judges.honest()
        return Judgement(
            pictures=tuple(pictures),
            honest=honest,
            paper=judges.paper() if published else no_figures(honest, _UNPUBLISHED),
            curves=judges.curves(),
            skipped=tuple(skipped),
            positions=judges.positions(),
        )


def _row(sample: Sample, answer: Answer, *, has_mask: bool, drawn: Drawn | None) -> Judged:
    return Judged(
        name=sample.name,
        category=sample.category,
        defect=sample.defect or GOOD,
        is_defect=bool(sample.is_defect),
        score=answer.score,
        paper_score=answer.paper and answer.paper.score,
        p_value=answer.decision.p_value,
        is_anomaly=answer.decision.is_anomaly,
        threshold=answer.decision.threshold,
        far_promised=answer.decision.far_promised,
        concept=answer.concept,
        size=(answer.picture.width, answer.picture.height),
        has_mask=has_mask,
        picture=drawn and drawn.picture,
        heat=drawn and drawn.heat,
        shown=drawn and drawn.shown,
        restored=drawn and drawn.restored,
    )
