"""Opens whatever can score pictures: a fitted model or an exported one, which needs no torch."""

from pathlib import Path

from normalis.answering import AbstractScorer
from normalis.export.info import is_export
from normalis.export.runtimes import require_cpu
from normalis.export.scorer import load_export

__all__ = ["load"]


def load(path: Path | str, *, device: str = "auto") -> AbstractScorer:
    """Open a saved model, or an exported one, ready to score pictures.

    Args:
        path: The folder that `fit` or `normalis export` wrote.
        device: "cpu", "cuda", or "auto"; an exported model runs on the cpu.

    Raises:
        NormalisError: Neither, of a newer format, or altered, or what runs it is not installed.
    """
    if is_export(Path(path)):
        require_cpu(path, device)
        return load_export(Path(path))
    from normalis.api.load import load as load_model  # needs torch

    return load_model(path, device=device)
