"""Data sets: which pictures there are, and what is known of each."""

from normalis.datasets.check import (
    DatasetCheck,
    ModeCount,
    Problem,
    SampleCount,
    SizeCount,
    check_dataset,
)
from normalis.datasets.layouts import LAYOUTS, open_dataset
from normalis.datasets.manifest import MANIFEST_SUFFIXES, read_manifest
from normalis.datasets.sample import GOOD, Dataset, Sample
from normalis.datasets.union import open_union, set_name

__all__ = [
    "GOOD",
    "LAYOUTS",
    "MANIFEST_SUFFIXES",
    "Dataset",
    "DatasetCheck",
    "ModeCount",
    "Problem",
    "Sample",
    "SampleCount",
    "SizeCount",
    "check_dataset",
    "open_dataset",
    "open_union",
    "read_manifest",
    "set_name",
]
