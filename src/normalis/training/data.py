"""What a detector is trained on: stored features, and which of them train."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from normalis.features.extract import FeatureTable

__all__ = ["TrainingData", "batches", "load_batch"]


@dataclass(frozen=True)
class TrainingData:
    """Stored features, and which of them train.

    Attributes:
        table: The features.
        train: Rows that train.
        validation: Rows of held-out normal pictures; without any, the last epoch is kept.
        categories: The product of each row of the table where it is known, for the log only.
        labels: The class of each row, where the method learns from classes.
    """

    table: FeatureTable
    train: tuple[int, ...]
    validation: tuple[int, ...]
    categories: tuple[str | None, ...]
    labels: tuple[int, ...] | None = None


def batches(
    table: FeatureTable, rows: Sequence[int], *, size: int, device: torch.device
) -> Iterator[list[Tensor]]:
    """The maps of these rows, `size` pictures at a time, on the device."""
    for start in range(0, len(rows), size):
        yield load_batch(table, rows[start : start + size], device=device)


def load_batch(table: FeatureTable, rows: Sequence[int], *, device: torch.device) -> list[Tensor]:
    """The maps of these rows, channels last: the layout in which 1x1 convolutions are fastest."""
    maps = table.batch(rows)
    return [x.to(device).contiguous(memory_format=torch.channels_last) for x in maps]
