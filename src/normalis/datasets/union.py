"""Several data sets as one: what a single model of many plants or many benchmarks learns from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from normalis.datasets.layouts import open_dataset
from normalis.datasets.sample import Dataset, Sample
from normalis.datasets.tree import is_file
from normalis.errors import DatasetError

__all__ = ["open_union", "set_name"]


def open_union(roots: Sequence[Path], *, layout: str = "auto") -> Dataset:
    """List the pictures of data sets together; a single one stays as it is.

    The names and categories of several begin with the data set's own: the "bottle" of two of them
    are two categories, "plant-a/bottle" and "plant-b/bottle", and pictures of a data set without
    categories are of the category "plant-a". So do their groups.

    Args:
        roots: Folders or manifests, one or more.
        layout: Of all of them, see `open_dataset`.

    Raises:
        SettingsError: There is no such layout.
        DatasetError: As `open_dataset`; or two data sets have one name.
    """
    opened = [open_dataset(root, layout=layout) for root in roots]
    if len(opened) == 1:
        return opened[0]
    names = [set_name(root) for root in roots]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DatasetError(
            f"{roots[names.index(twice[0])]}: two of the data sets are called '{twice[0]}', and "
            "their classes could not be told apart; rename one of the folders."
        )
    named = list(zip(names, opened, strict=True))
    return Dataset(
        root=opened[0].root,
        layout=" + ".join(dict.fromkeys(one.layout for one in opened)),
        samples=tuple(
            sorted(
                (_within(name, sample) for name, one in named for sample in one.samples),
                key=lambda sample: sample.name,
            )
        ),
        warnings=tuple(f"{name}: {warning}" for name, one in named for warning in one.warnings),
    )


def set_name(root: Path) -> str:
    """What a data set is called: its folder, or its manifest without the ending."""
    real = root.resolve()
    return real.stem if is_file(root) else real.name


def _within(name: str, sample: Sample) -> Sample:
    """The sample as one of a data set among others."""
    category = f"{name}/{sample.category}" if sample.category else name
    group = f"{name}/{sample.group}" if sample.group else None
    return replace(sample, name=f"{name}/{sample.name}", category=category, group=group)
