"""A data set looked through before hours are spent on it: every file is decoded once."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from normalis.datasets.sample import Dataset, Sample
from normalis.errors import ImageError
from normalis.images.decode import read_mask, read_picture

__all__ = ["DatasetCheck", "ModeCount", "Problem", "SampleCount", "SizeCount", "check_dataset"]


@dataclass(frozen=True, order=True)
class SampleCount:
    """How many pictures a category, split and defect has; "" stands for what is not known."""

    category: str
    split: str
    defect: str
    pictures: int


@dataclass(frozen=True)
class SizeCount:
    """How many pictures have this size, in pixels, upright."""

    width: int
    height: int
    pictures: int


@dataclass(frozen=True)
class ModeCount:
    """How many pictures have this mode, in Pillow's words: "L", "RGB", "I;16"."""

    mode: str
    pictures: int


@dataclass(frozen=True)
class Problem:
    """A picture by its name, and what is wrong with it or its mask."""

    name: str
    reason: str


@dataclass(frozen=True)
class DatasetCheck:
    """What `check_dataset` found.

    Attributes:
        layout: The layout that was recognised.
        pictures: The number of all pictures, readable or not.
        counts: Pictures by category, split and defect, sorted.
        sizes: Pictures by size, the most frequent first.
        modes: Pictures by mode, the most frequent first.
        unreadable: Pictures that cannot be decoded.
        duplicates: Names of files with the same bytes, group by group.
        leaks: Those groups that lie in both train and test.
        groups: The number of parts, patients or lots that the data set names.
        groups_apart: Of these, the names of those that have pictures in both train and test: a
            figure on such a test set says nothing of new ones.
        masks_missing: Defective test pictures without a mask in a category that has masks.
        masks_unusable: Masks that cannot be decoded or have another size than their picture.
        warnings: Those of the data set.
    """

    layout: str
    pictures: int
    counts: tuple[SampleCount, ...]
    sizes: tuple[SizeCount, ...]
    modes: tuple[ModeCount, ...]
    unreadable: tuple[Problem, ...]
    duplicates: tuple[tuple[str, ...], ...]
    leaks: tuple[tuple[str, ...], ...]
    groups: int
    groups_apart: tuple[str, ...]
    masks_missing: tuple[str, ...]
    masks_unusable: tuple[Problem, ...]
    warnings: tuple[str, ...]


def check_dataset(
    dataset: Dataset, *, progress: Callable[[int, int], None] | None = None
) -> DatasetCheck:
    """Decode every picture and mask, and count what is there and what is wrong.

    Nothing that is wrong with a file stops the check.

    Args:
        dataset: What `open_dataset` returned.
        progress: Called with the pictures done and the number of all, after each.
    """
    seen = _Findings()
    for done, sample in enumerate(dataset.samples, start=1):
        seen.look_at(sample)
        if progress is not None:
            progress(done, len(dataset.samples))
    groups = [group for group in seen.by_content.values() if len(group) > 1]
    return DatasetCheck(
        layout=dataset.layout,
        pictures=len(dataset.samples),
        counts=_counts(dataset.samples),
        sizes=tuple(SizeCount(*size, n) for size, n in seen.sizes.most_common()),
        modes=tuple(ModeCount(mode, n) for mode, n in seen.modes.most_common()),
        unreadable=tuple(seen.unreadable),
        duplicates=_names(groups),
        leaks=_names(group for group in groups if len({s.split for s in group}) > 1),
        groups=len({s.group for s in dataset.samples if s.group}),
        groups_apart=_groups_apart(dataset.samples),
        masks_missing=_masks_missing(dataset.samples),
        masks_unusable=tuple(seen.masks_unusable),
        warnings=dataset.warnings,
    )


@final
class _Findings:
    """What has been found so far, one picture at a time; no pixels are kept."""

    def __init__(self) -> None:
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.modes: Counter[str] = Counter()
        self.unreadable: list[Problem] = []
        self.masks_unusable: list[Problem] = []
        self.by_content: defaultdict[bytes, list[Sample]] = defaultdict(list)

    def look_at(self, sample: Sample) -> None:
        try:
            picture = read_picture(sample.path)
            with sample.path.open("rb") as file:
                self.by_content[hashlib.file_digest(file, "sha256").digest()].append(sample)
        except (ImageError, OSError) as error:
            self.unreadable.append(_problem(sample, sample.path, error))
            return
        self.sizes[picture.width, picture.height] += 1
        self.modes[picture.mode] += 1
        if sample.mask is not None:
            try:
                read_mask(sample.mask, height=picture.height, width=picture.width)
            except ImageError as error:
                self.masks_unusable.append(_problem(sample, sample.mask, error))


def _problem(sample: Sample, path: Path, error: Exception) -> Problem:
    return Problem(sample.name, str(error).removeprefix(f"{path}: "))


def _counts(samples: Iterable[Sample]) -> tuple[SampleCount, ...]:
    keys = Counter((s.category or "", s.split, s.defect or "") for s in samples)
    return tuple(sorted(SampleCount(*key, n) for key, n in keys.items()))


def _names(groups: Iterable[list[Sample]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(sample.name for sample in group) for group in groups)


def _groups_apart(samples: Iterable[Sample]) -> tuple[str, ...]:
    splits = {(s.group, s.split) for s in samples if s.group}
    count = Counter(group for group, _ in splits)
    return tuple(sorted(group for group, found in count.items() if found > 1))


def _masks_missing(samples: tuple[Sample, ...]) -> tuple[str, ...]:
    masked = {s.category for s in samples if s.mask is not None}
    return tuple(
        s.name
        for s in samples
        if s.split == "test" and s.is_defect and s.mask is None and s.category in masked
    )
