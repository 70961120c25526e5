"""The published figures (METHODS §5), to stand beside ours."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from pydantic import TypeAdapter

__all__ = ["CAUTION", "PublishedTable", "published_tables"]

CAUTION = (
    "published figures: those models learned all classes of their data sets with larger backbones "
    "on larger pictures, and VQ-Flow's and HGAD's took the best epoch on the test set"
)
"""Stands under every table that shows them."""


@dataclass(frozen=True, kw_only=True)
class PublishedTable:
    """One method on one data set, one model for all its classes; (image, pixel) AUROC in per cent.

    Attributes:
        method: Its name.
        source: The method's paper.
        data: The data set.
        mean: Over all classes of that data set.
        rows: Of each class; empty where only the mean is known.
    """

    method: str
    source: str
    data: str
    mean: tuple[float, float]
    rows: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])


def published_tables(data: Sequence[str] | None = None) -> tuple[PublishedTable, ...]:
    """The tables of some data sets, in the order of METHODS; None for all."""
    text = (files("normalis.suites") / "published.toml").read_text(encoding="utf-8")
    tables = TypeAdapter(tuple[PublishedTable, ...]).validate_python(tomllib.loads(text)["table"])
    return tuple(table for table in tables if data is None or table.data in data)
