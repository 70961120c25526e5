"""The models that commands score with."""

from pathlib import Path
from typing import Any

from normalis.ahead import usable_cores
from normalis.answering import AbstractScorer
from normalis.bundle.manifest import read_manifest
from normalis.export.info import is_export
from normalis.export.runtimes import require, require_cpu
from normalis.export.scorer import load_export

__all__ = ["open_model", "require_model"]


def require_model(model: Path) -> None:
    """Refuse a wrong path before anything else: it is no reason to install or to search anything.

    Raises:
        BundleError: Neither a model nor an exported one.
    """
    if not is_export(model):
        read_manifest(model)


def open_model(model: Path, *, threads: int | None, workers: int, device: str) -> AbstractScorer:
    """A model, or an exported one, which is scored without torch; `require_model` took it.

    Args:
        model: Folder, or the graph of an exported model.
        threads: Processor cores for a batch; None leaves it to what runs the model. Without a wish
            a model in the library gets few, and several batches are in it at once: whole batches
            share cores better than the maps of one.
        workers: Threads that may ask the model.
        device: cpu, cuda or auto.

    Raises:
        NormalisError: Neither, altered, or what it needs is not installed.
    """
    if is_export(model):
        require_cpu(model, device)
        return load_export(model, threads=threads)
    torch: Any = require("torch")
    from normalis.api.load import load

    if threads is None and workers:
        threads = max(1, usable_cores() // workers)
    if threads:
        torch.set_num_threads(threads)
    return load(model, device=device)
