"""Training: settings, the loop, its log, and several processes."""

from normalis.training.data import TrainingData, batches
from normalis.training.log import CodebookUse, EpochRecord, Tally, record_from, write_log
from normalis.training.loop import train
from normalis.training.processes import (
    Processes,
    average_gradients,
    joined_processes,
    this_process,
)
from normalis.training.settings import TrainingSettings

__all__ = [
    "CodebookUse",
    "EpochRecord",
    "Processes",
    "Tally",
    "TrainingData",
    "TrainingSettings",
    "average_gradients",
    "batches",
    "joined_processes",
    "record_from",
    "this_process",
    "train",
    "write_log",
]
