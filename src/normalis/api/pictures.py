"""The pictures of a fit: their features, the concepts among them, and what each serves for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from normalis.api.options import FitOptions, named
from normalis.backbones.pyramid import AbstractPyramid
from normalis.bundle.manifest import PictureCounts
from normalis.datasets.union import open_union
from normalis.detectors.concepts import find_concepts, global_averages
from normalis.detectors.lsr.settings import LSRSettings
from normalis.errors import FitError
from normalis.features.extract import FeatureTable, extract_features
from normalis.holdout import split_holdout
from normalis.images.decode import read_group, read_position
from normalis.progress import Observer
from normalis.recipes import Recipe
from normalis.training.data import batches
from normalis.training.processes import this_process

__all__ = [
    "LEAST_PICTURES",
    "Classes",
    "Split",
    "averages_of",
    "classes_of",
    "concepts_of",
    "good_features",
    "groups_of",
    "reader",
    "split_pictures",
]

LEAST_PICTURES = 8
READING = 16  # pictures whose features are in memory together, outside of training


@dataclass(frozen=True)
class Split:
    """Rows of the feature table by what they serve for.

    Attributes:
        train: The detector learns from these.
        validation: Early stopping and the scale of the scores.
        calibration: Held out for p-values, and for nothing else.
    """

    train: tuple[int, ...]
    validation: tuple[int, ...]
    calibration: tuple[int, ...]

    def counts(self, *, skipped: int) -> PictureCounts:
        """How many pictures serve for what, and how many could not be read."""
        return PictureCounts(
            train=len(self.train),
            validation=len(self.validation),
            calibration=len(self.calibration),
            skipped=skipped,
        )


@dataclass(frozen=True)
class Classes:
    """What a method that learns from classes is told of the pictures.

    Attributes:
        names: The categories, in alphabetical order.
        labels: Of each row of the feature table, an index of `names`.
    """

    names: tuple[str, ...]
    labels: tuple[int, ...]


def good_features(
    data: tuple[Path, ...],
    pyramid: AbstractPyramid,
    *,
    recipe: Recipe,
    options: FitOptions,
    observer: Observer,
) -> FeatureTable:
    """The stored features of every distinct good training picture.

    With several processes the first computes them and the others then read what it stored.

    Raises:
        FitError: Too few pictures.
    """
    dataset = open_union(data, layout=options.layout)
    for warning in dataset.warnings:
        observer.say(warning)
    if not this_process().is_first:
        this_process().wait()
    observer.stage("computing features", len(dataset.train_good))
    table = extract_features(
        dataset.train_good,
        pyramid=pyramid,
        preparation=recipe.preparation,
        cache=options.cache,
        strict=options.strict,
        progress=lambda _done, _total: observer.advance(),
    )
    if this_process().is_first:
        this_process().wait()
    table = _located(_distinct(table, observer), recipe)
    if len(table) < LEAST_PICTURES:
        raise FitError(
            f"{named(data)}: {len(table)} good pictures are too few to learn from and to hold some "
            f"out; at least {LEAST_PICTURES} are needed, and 100 are a good start."
        )
    return table


def classes_of(table: FeatureTable, recipe: Recipe) -> Classes | None:
    """The categories of the pictures, where the method learns from them.

    Raises:
        FitError: A picture without a category.
    """
    if recipe.method.concept_source != "categories":
        return None
    categories = [sample.category for sample in table.samples]
    names = sorted({name for name in categories if name})
    unknown = [s.name for s in table.samples if not s.category]
    if unknown:
        raise FitError(
            f"{unknown[0]}: has no category, nor have {len(unknown) - 1} other pictures, and the "
            "settings ask to learn categories: give a folder for each, or a manifest that names "
            "them, or let concepts be found."
        )
    return Classes(tuple(names), tuple(names.index(name or "") for name in categories))


def groups_of(table: FeatureTable) -> Int[np.ndarray, " n"]:
    """Which part, patient or lot each picture shows, as numbers; its own where nothing says so.

    Raises:
        ImageError: A picture is no longer there.
    """
    named = [
        (sample.group or read_group(sample.path), row) for row, sample in enumerate(table.samples)
    ]
    keys = [row if name is None else name for name, row in named]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def split_pictures(
    strata: Sequence[int], groups: Int[np.ndarray, " n"], *, recipe: Recipe
) -> Split:
    """Calibration and validation pictures, evenly over the strata; the rest trains.

    Args:
        strata: The concept or the category of each picture.
        groups: The part, patient or lot of each; all its pictures serve for the same.
        recipe: Its shares and its seed.

    Raises:
        FitError: The share held out for calibration comes to no picture.
    """
    member = np.array(strata, dtype=np.int64)
    seed, share = recipe.training.seed, recipe.calibration.share
    held_out = split_holdout(member, share=share, seed=seed, groups=groups)
    if not held_out.any():
        many = len(np.unique(groups)) < len(groups)
        raise FitError(
            f"calibration.share is {share}, which holds out none of {len(member)} pictures"
            f"{f' of {len(np.unique(groups))} groups' if many else ''}: give more "
            f"{'groups' if many else 'pictures'} or a larger share."
        )
    rest = np.flatnonzero(~held_out)
    validates = np.zeros(len(rest), dtype=bool)
    if recipe.training.validation > 0:
        left = recipe.training.validation / (1 - share)
        validates = split_holdout(member[rest], share=left, seed=seed + 1, groups=groups[rest])
    return Split(
        train=tuple(rest[~validates].tolist()),
        validation=tuple(rest[validates].tolist()),
        calibration=tuple(np.flatnonzero(held_out).tolist()),
    )


def concepts_of(
    averages: Float[Tensor, "n c"], channels: tuple[int, ...], *, recipe: Recipe
) -> list[int]:
    """The concept of each picture, as clusters; 0 for all where the method has but one."""
    most, seed = recipe.method.most_concepts, recipe.training.seed
    if most == 1:
        return [0] * len(averages)
    return find_concepts(averages, channels, most=most, seed=seed).tolist()


def averages_of(table: FeatureTable, device: torch.device) -> Float[Tensor, "n c"]:
    """Each picture's global averages."""
    rows = range(len(table))
    return torch.cat([global_averages(maps).cpu() for maps in reader(table, rows, device=device)])


def reader(
    table: FeatureTable, rows: Sequence[int], *, device: torch.device
) -> Iterator[list[Tensor]]:
    """The maps of these rows, a few pictures at a time."""
    return batches(table, rows, size=READING, device=device)


def _located(table: FeatureTable, recipe: Recipe) -> FeatureTable:
    """The table with the places of slices, where they say so and the method asks.

    Raises:
        FitError: Some say so, and some do not.
    """
    if not (isinstance(recipe.method, LSRSettings) and recipe.method.located):
        return table
    places = [
        read_position(sample.path) if sample.position is None else sample.position
        for sample in table.samples
    ]
    known = [place for place in places if place is not None]
    if not known:
        return table
    if len(known) < len(places):
        path = table.samples[places.index(None)].path
        raise FitError(
            f"{path}: does not say where in its volume it lies, as {len(known)} of {len(places)} "
            "pictures do: leave such pictures out, or set lsr.located to false."
        )
    return replace(table, positions=tuple(known))


def _distinct(table: FeatureTable, observer: Observer) -> FeatureTable:
    """The table without repeated files: one that trains must not calibrate too."""
    first = {digest: row for row, digest in reversed(list(enumerate(table.digests)))}
    rows = sorted(first.values())
    if len(rows) < len(table):
        observer.say(f"{len(table) - len(rows)} pictures are copies of others and count once.")
    return FeatureTable(
        table.store,
        tuple(table.samples[row] for row in rows),
        tuple(table.digests[row] for row in rows),
        table.skipped,
    )
