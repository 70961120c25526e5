"""How well a model does on labelled pictures, by the honest and by the published scores."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from normalis.answering import AbstractScorer
from normalis.api.device import device_named
from normalis.api.each import Draw, judge_each
from normalis.api.load import BundleInfo, describe
from normalis.api.options import Paths, named, paths_of
from normalis.api.whole_set import judge_sets
from normalis.bundle.load import load_bundle, picture_uses
from normalis.bundle.sealed import file_digest, folder_bytes
from normalis.datasets.sample import Sample, printable
from normalis.datasets.union import open_union, set_name
from normalis.errors import BundleError, DatasetError
from normalis.evaluation.machine import machine
from normalis.evaluation.result import ModelCard, Result, Seen, Stage
from normalis.export.info import is_export
from normalis.export.scorer import load_export_of
from normalis.progress import Observer, Silent, Stopwatch
from normalis.scoring import Scorer

__all__ = ["evaluate", "evaluate_export"]

_NAMED = 3  # seen pictures that an error names


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
    if is_export(Path(model)):
        raise BundleError(
            f"{model}: is an exported model, which does not know what it was fitted on; name the "
            "model that it came from: 'normalis evaluate MODEL DATA --export EXPORT'."
        )
    computes_on, info = device_named(device), describe(model)
    return _evaluate(
        info,
        data,
        opened=lambda: (
            load_bundle(info.path, device=computes_on, checked=info.manifest),
            _card(info),
        ),
        layout=layout,
        allow_seen=allow_seen,
        draw=draw,
        observer=observer,
    )


def evaluate_export(
    export: Path | str,
    data: Paths,
    *,
    model: Path | str,
    layout: str = "auto",
    allow_seen: bool = False,
    draw: Draw | None = None,
    observer: Observer | None = None,
) -> Result:
    """As `evaluate`, but an exported form of the model scores: what the line will see.

    Args:
        export: The folder that `normalis export` wrote, or the graph in it. It has no published
            scores.
        data: As for `evaluate`, as is all below.
        model: The folder of the model that it was made from, which knows what it was fitted on.
        layout: Of the data set.
        allow_seen: Evaluate on pictures that the model has seen.
        draw: Draws every scored picture.
        observer: Hears of the progress.

    Raises:
        BundleError: As for `evaluate`; or the export is altered, or another model's.
        DatasetError: As for `evaluate`.
        ExportError: What runs it is not installed.
        SettingsError: There is no such layout.
    """
    info = describe(model)
    return _evaluate(
        info,
        data,
        opened=lambda: _opened_export(Path(export), info),
        layout=layout,
        allow_seen=allow_seen,
        draw=draw,
        observer=observer,
    )


def _evaluate(
    info: BundleInfo,
    data: Paths,
    *,
    opened: Callable[[], tuple[AbstractScorer, ModelCard]],
    layout: str,
    allow_seen: bool,
    draw: Draw | None,
    observer: Observer | None,
) -> Result:
    """Whatever scores."""
    observer, watch = observer or Silent(), Stopwatch()
    roots = paths_of(data)
    samples = _labelled(roots, layout, observer)
    with watch.measure("comparing with the fitted pictures"):
        seen = _seen(samples, picture_uses(info.path), observer)
    if seen and not allow_seen:
        raise DatasetError(f"{named(roots)}: {_refusal(seen, len(samples))}")
    with watch.measure("loading the model"):
        scorer, card = opened()
    scorer.watch = watch
    in_library = isinstance(scorer, Scorer)
    if in_library and scorer.detector.scores_sets:
        judged = judge_sets(scorer, samples, observer=observer)
    else:
        judged = judge_each(scorer, samples, draw=draw, observer=observer)
    if not judged.pictures:
        raise DatasetError(
            f"{named(roots)}: no test picture can be read; the first: {judged.skipped[0][1]}"
        )
    return Result(
        data=printable(" + ".join(map(set_name, roots))),
        model=card,
        honest=judged.honest,
        paper=judged.paper,
        pictures=judged.pictures,
        curves=judged.curves,
        skipped=judged.skipped,
        seen=seen,
        stages=tuple(Stage(part, seconds) for part, seconds in watch.seconds.items()),
        machine=machine(device=scorer.pyramid.device if in_library else None),
        positions=judged.positions,
    )


def _opened_export(path: Path, info: BundleInfo) -> tuple[AbstractScorer, ModelCard]:
    """The scorer, and the model's card with what is the export's own."""
    scorer, folder, form = load_export_of(info.path, path)
    runtime = f"{form.format}, {form.precision}"
    return scorer, replace(_card(info), runtime=runtime, bytes=folder_bytes(folder))


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
