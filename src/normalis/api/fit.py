"""From a folder of good pictures to a saved model."""

import hashlib
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch

from normalis.api.calibrated import calibrated
from normalis.api.device import device_named
from normalis.api.options import FitOptions, Paths, paths_of
from normalis.api.output import Output
from normalis.api.pictures import (
    Split,
    averages_of,
    classes_of,
    concepts_of,
    good_features,
    groups_of,
    reader,
    split_pictures,
)
from normalis.backbones.build import build_pyramid, pyramid_state
from normalis.backbones.pyramid import AbstractPyramid
from normalis.bundle.manifest import Manifest, PictureCounts
from normalis.bundle.save import write_bundle
from normalis.calibration import Calibration
from normalis.detectors.build import build_detector
from normalis.detectors.contract import AbstractDetector, PictureShapes
from normalis.features.extract import FeatureTable
from normalis.progress import Observer, Silent
from normalis.recipes import Recipe
from normalis.results import MapRange
from normalis.training.data import TrainingData
from normalis.training.log import EpochRecord, write_log
from normalis.training.loop import train
from normalis.training.processes import joined_processes, this_process

__all__ = ["FitSummary", "fit"]


@dataclass(frozen=True)
class FitSummary:
    """What a fit did.

    Attributes:
        path: The model's folder.
        pictures: How many pictures served for what.
        skipped: Pictures that could not be read, each with the reason.
        concept_names: The categories that were learned; empty where concepts are found or learned.
        concept_pictures: Training pictures of each concept; empty where concepts are learned.
        records: The training log.
        promise: What the calibration can and cannot promise, a sentence.
        scores_sets: Whether no single picture has a score, but a whole test set alone.
        seconds: Duration.
    """

    path: Path
    pictures: PictureCounts
    skipped: tuple[tuple[str, str], ...]
    concept_names: tuple[str, ...]
    concept_pictures: tuple[int, ...]
    records: tuple[EpochRecord, ...]
    promise: str
    scores_sets: bool
    seconds: float


@dataclass(frozen=True)
class _Fitted:
    """All that a bundle is made of."""

    recipe: Recipe
    pyramid: AbstractPyramid
    table: FeatureTable
    split: Split
    detector: AbstractDetector
    concepts: int
    concept_names: tuple[str, ...]
    concept_pictures: tuple[int, ...]
    records: tuple[EpochRecord, ...]
    calibration: Calibration
    map_range: MapRange


def fit(
    data: Paths,
    out: Path | str,
    *,
    recipe: Recipe | None = None,
    options: FitOptions | None = None,
    observer: Observer | None = None,
) -> FitSummary:
    """Learn what normal looks like from good pictures, and save the model.

    The pictures are split, evenly over the concepts found in them, into those that train, those
    that stop the training and scale the scores, and those that calibrate decisions and have no
    other part. Pictures of one group (a part, a patient) all serve for the same. Under `torchrun`
    the processes train one model together.

    Args:
        data: Folder or manifest; what it holds as good training pictures is used, of all products
            together. Several are learned as one (`normalis.datasets.open_union`). Labels are never
            read, but for the log and where the method's settings ask for categories.
        out: Folder of the model to be; its parent must exist.
        recipe: Settings; the preset `vqflow` by default.
        options: How the fit runs.
        observer: Hears of the progress.

    Raises:
        NormalisError: A user's mistake, see `normalis.errors`.
    """
    start = time.perf_counter()
    recipe, options = recipe or Recipe(), options or FitOptions()
    output = Output(Path(out), resume=options.resume, overwrite=options.overwrite)
    with joined_processes() as process:
        output.check()
        hears = observer if observer is not None and process.is_first else Silent()
        fitted = _fit(paths_of(data), output, recipe=recipe, options=options, observer=hears)
        if process.is_first:
            _save(fitted, output)
        process.wait()
    return _summary(fitted, output.path, time.perf_counter() - start)


def _fit(
    data: tuple[Path, ...],
    output: Output,
    *,
    recipe: Recipe,
    options: FitOptions,
    observer: Observer,
) -> _Fitted:
    """Every step from the pictures to the calibrated detector."""
    pyramid = build_pyramid(recipe.backbone).to(device_named(options.device))
    table = good_features(data, pyramid, recipe=recipe, options=options, observer=observer)
    if this_process().is_first:
        request = {"recipe": recipe.to_tree(), "backbone": pyramid.fingerprint}
        output.begin({**request, "pictures": table.digests})
    this_process().wait()
    averages, classes = averages_of(table, pyramid.device), classes_of(table, recipe)
    strata = classes.labels if classes else concepts_of(averages, pyramid.channels, recipe=recipe)
    groups = groups_of(table)
    split = split_pictures(strata, groups, recipe=recipe)
    if recipe.method.concept_source == "learned":
        concepts, labels = recipe.method.most_concepts, None
    elif classes:
        concepts, labels = len(classes.names), [classes.labels[row] for row in split.train]
    else:
        labels = concepts_of(averages[list(split.train)], pyramid.channels, recipe=recipe)
        concepts = max(labels) + 1
    detector = _detector(
        pyramid, table, split.train, recipe=recipe, concepts=concepts, labels=labels
    )
    records = train(
        detector,
        TrainingData(
            table,
            split.train,
            split.validation,
            categories=tuple(sample.category for sample in table.samples),
            labels=classes and classes.labels,
        ),
        settings=recipe.training,
        checkpoint=output.checkpoint,
        observer=observer,
    )
    detector.set_scale(reader(table, split.validation or split.train, device=pyramid.device))
    held_out = calibrated(detector, table, rows=split.calibration, groups=groups, recipe=recipe)
    rows = () if recipe.method.concept_source == "learned" else split.train
    return _Fitted(
        recipe=recipe,
        pyramid=pyramid,
        table=table,
        split=replace(split, calibration=held_out.rows),
        detector=detector,
        concepts=concepts,
        concept_names=classes.names if classes else (),
        concept_pictures=_concept_pictures(detector, table, rows, concepts=concepts),
        records=records,
        calibration=held_out.calibration,
        map_range=held_out.map_range,
    )


def _detector(
    pyramid: AbstractPyramid,
    table: FeatureTable,
    train: tuple[int, ...],
    *,
    recipe: Recipe,
    concepts: int,
    labels: list[int] | None,
) -> AbstractDetector:
    """A detector that starts from the training pictures, whose classes or concepts are told."""
    size = (recipe.preparation.height, recipe.preparation.width)
    shapes = PictureShapes(size, table.shapes)
    seed = recipe.training.seed
    detector = build_detector(recipe.method, shapes, concepts=concepts, seed=seed)
    detector = detector.to(pyramid.device).train()
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    rows = [train[i] for i in order.tolist()]
    detector.initialise(
        lambda: reader(table, rows, device=pyramid.device),
        seed=seed,
        label=None if labels is None else torch.tensor(labels)[order].to(pyramid.device),
    )
    return detector


def _concept_pictures(
    detector: AbstractDetector, table: FeatureTable, rows: tuple[int, ...], *, concepts: int
) -> tuple[int, ...]:
    """How many of these pictures show each concept, under the number that `score` gives it."""
    if not rows:
        return ()
    device = next(detector.parameters()).device
    concept = torch.cat([detector.concepts(maps) for maps in reader(table, rows, device=device)])
    return tuple(torch.bincount(concept, minlength=concepts).tolist())


def _save(fitted: _Fitted, output: Output) -> None:
    """Write the bundle, and put it in its place."""
    split, table = fitted.split, fitted.table
    groups = {"train": split.train, "validation": split.validation}
    groups["calibration"] = split.calibration
    output.start_bundle()
    write_log(fitted.records, output.bundle / "training.jsonl")
    preparation = fitted.recipe.preparation
    write_bundle(
        output.bundle,
        Manifest(
            version=version("normalis"),
            recipe=_without_paths(fitted.recipe),
            size=(preparation.height, preparation.width),
            maps=table.shapes,
            concepts=fitted.concepts,
            concept_names=fitted.concept_names,
            concept_pictures=fitted.concept_pictures,
            pictures=fitted.split.counts(skipped=len(fitted.table.skipped)),
            data=hashlib.sha256("\n".join(sorted(table.digests)).encode()).hexdigest(),
            calibration=fitted.calibration.to_json(),
            map_range=(fitted.map_range.low, fitted.map_range.high),
            files={},
        ),
        detector=fitted.detector.state_dict(),
        backbone=pyramid_state(fitted.pyramid),
        digests={use: [table.digests[row] for row in rows] for use, rows in groups.items()},
    )
    output.publish()


def _summary(fitted: _Fitted, path: Path, seconds: float) -> FitSummary:
    """What the caller is told."""
    return FitSummary(
        path=path,
        pictures=fitted.split.counts(skipped=len(fitted.table.skipped)),
        skipped=tuple((sample.name, reason) for sample, reason in fitted.table.skipped),
        concept_names=fitted.concept_names,
        concept_pictures=fitted.concept_pictures,
        records=fitted.records,
        promise=fitted.calibration.promise(),
        scores_sets=fitted.detector.scores_sets,
        seconds=seconds,
    )


def _without_paths(recipe: Recipe) -> dict[str, object]:
    """The recipe for the manifest: the weights are in the bundle, their old path is not."""
    tree = recipe.to_tree()
    return {**tree, "backbone": {**tree["backbone"], "weights": None}}
