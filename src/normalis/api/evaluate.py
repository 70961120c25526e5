"""How well a model does on labelled pictures, by the honest and by the published scores."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from normalis.api.device import device_named
from normalis.api.judges import Judgement, Judges
from normalis.api.load import BundleInfo, describe
from normalis.api.masks import Mask, mask_of
from normalis.api.options import Paths, named, paths_of
from normalis.api.whole_set import judge_sets
from normalis.bundle.load import load_bundle, picture_uses
from normalis.bundle.sealed import file_digest
from normalis.datasets.sample import GOOD, Sample, printable
from normalis.datasets.union import open_union, set_name
from normalis.errors import BundleError, DatasetError
from normalis.evaluation.machine import machine
from normalis.evaluation.result import Drawn, Judged, ModelCard, Result, Seen, Stage
from normalis.progress import Observer, Silent, Stopwatch
from normalis.results import Result as Answer
from normalis.results import Skipped
from normalis.scoring import Scorer

__all__ = ["Draw", "evaluate"]

_NAMED = 3  # seen pictures that an error names


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


def evaluate(
    model: Path | str,
    data: Paths,
    *,
    layout: str = "auto",
    allow_seen: bool = False,
    draw: Draw | None = None,
    device: str = "auto",
    observer: Observer | None = None,
) -> Result:
    """Score the labelled test pictures of a data set once, and rank them against the truth.

    A picture that the model was fitted or calibrated on says nothing of new ones: such pictures
    are recognised by the bytes of their files, and refused.

    Args:
        model: The folder that `fit` wrote.
        data: Folder or manifest with labelled test pictures, or several.
        layout: Of the data set; "auto" recognises it.
        allow_seen: Evaluate on pictures that the model has seen all the same; the result names
            them.
        draw: Draws every scored picture; none where a score is relative to the whole set.
        device: "cpu", "cuda", or "auto".
        observer: Hears of the progress.

    Raises:
        BundleError: Not a model, of a newer format, or altered.
        DatasetError: No labelled test picture, none that can be read, or some that the model has
            seen.
        SettingsError: There is no such device or layout.
    """
    observer, watch = observer or Silent(), Stopwatch()
    computes_on, info = device_named(device), describe(model)
    roots = paths_of(data)
    samples = _labelled(roots, layout, observer)
    with watch.measure("comparing with the fitted pictures"):
        seen = _seen(samples, picture_uses(info.path), observer)
    if seen and not allow_seen:
        raise DatasetError(f"{named(roots)}: {_refusal(seen, len(samples))}")
    with watch.measure("loading the model"):
        scorer = load_bundle(info.path, device=computes_on, checked=info.manifest)
    scorer.watch = watch
    if scorer.detector.scores_sets:
        judged = judge_sets(scorer, samples, observer=observer)
    else:
        judged = _judgement(scorer, samples, draw=draw, observer=observer)
    if not judged.pictures:
        raise DatasetError(
            f"{named(roots)}: no test picture can be read; the first: {judged.skipped[0][1]}"
        )
    return Result(
        data=printable(" + ".join(map(set_name, roots))),
        model=_card(info),
        honest=judged.honest,
        paper=judged.paper,
        pictures=judged.pictures,
        curves=judged.curves,
        skipped=judged.skipped,
        seen=seen,
        stages=tuple(Stage(part, seconds) for part, seconds in watch.seconds.items()),
        machine=machine(device=scorer.pyramid.device),
        positions=judged.positions,
    )


def _labelled(data: tuple[Path, ...], layout: str, observer: Observer) -> list[Sample]:
    """The test pictures with a label."""
    dataset = open_union(data, layout=layout)
    for warning in dataset.warnings:
        observer.say(warning)
    samples = [
        # The one name that may not be text: that of the whole data set, with one product.
        replace(sample, category=sample.category and printable(sample.category))
        for sample in dataset.test
        if sample.is_defect is not None
    ]
    if not samples:
        raise DatasetError(
            f"{named(data)}: holds no labelled test pictures; give a data set with a test part "
            "('normalis data check' says what was recognised), or use 'normalis score'."
        )
    return samples


def _seen(samples: Sequence[Sample], uses: dict[str, str], observer: Observer) -> tuple[Seen, ...]:
    """The test pictures whose files the model was made from."""
    observer.stage("looking for pictures that the model has seen", len(samples))
    seen: list[Seen] = []
    for sample in samples:
        try:
            use = uses.get(file_digest(sample.path))
        except BundleError:  # what cannot be read is skipped, and told, when it is scored
            use = None
        if use is not None:
            seen.append(Seen(sample.name, use))
        observer.advance()
    return tuple(seen)


def _refusal(seen: Sequence[Seen], count: int) -> str:
    named = [f"{picture.name} ({picture.use})" for picture in seen[:_NAMED]]
    rest = f" and {len(seen) - _NAMED} more" if len(seen) > _NAMED else ""
    return (
        f"the model was fitted or calibrated on {len(seen)} of these {count} test pictures, as "
        f"{', '.join(named)}{rest}; give pictures that it has not seen, or add --allow-seen "
        "(allow_seen=True), and the result says so."
    )


def _judgement(
    scorer: Scorer, samples: list[Sample], *, draw: Draw | None, observer: Observer
) -> Judgement:
    """Score, judge and draw every picture on its own."""
    judges = Judges()
    pictures: list[Judged] = []
    skipped: list[tuple[str, str]] = []
    observer.stage("scoring", len(samples))
    positions = {one.path: one.position for one in samples if one.position is not None}
    answers = scorer.score(
        [sample.path for sample in samples], paper=True, workers=None, positions=positions
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
        return Judgement(
            pictures=tuple(pictures),
            honest=judges.honest(),
            paper=judges.paper(),
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


def _card(info: BundleInfo) -> ModelCard:
    """The model as the result states it."""
    manifest, recipe = info.manifest, info.recipe
    return ModelCard(
        version=manifest.version,
        preset=recipe.preset,
        backbone=recipe.backbone.name,
        seed=recipe.training.seed,
        size=manifest.size,
        bytes=info.size,
        data=manifest.data,
        train=manifest.pictures.train,
        validation=manifest.pictures.validation,
        calibration=manifest.pictures.calibration,
        concept_pictures=manifest.concept_pictures,
        far=recipe.calibration.far,
        promise=info.promise,
        recipe=manifest.recipe,
        concept_names=manifest.concept_names,
    )
