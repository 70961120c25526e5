"""The figures of an evaluation as JSON, for other programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from normalis.evaluation.figures import Evaluation, ImageResult
from normalis.images.write import replacing

__all__ = ["FIGURES_FORMAT", "write_figures"]

FIGURES_FORMAT = 1
"""Rises when a reader of the file would have to change."""


def write_figures(
    path: Path,
    *,
    honest: Evaluation,
    paper: Evaluation,
    images: Sequence[ImageResult],
    skipped: Sequence[tuple[str, str]],
) -> None:
    """Write every figure and every picture's scores; folders are made.

    Shares lie in [0, 1], and null stands for what is not defined.

    Args:
        path: The file; replaced if it exists.
        honest: By the score that users get.
        paper: By the published score.
        images: Scores and truth of each picture.
        skipped: What could not be read, and why.

    Raises:
        OSError: The file cannot be written.
    """
    tree = {
        "format": FIGURES_FORMAT,
        "honest": _tree(honest),
        "paper": _tree(paper),
        "images": [asdict(image) for image in images],
        "skipped": [{"name": name, "reason": reason} for name, reason in skipped],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")


def _tree(evaluation: Evaluation) -> dict[str, object]:
    """An evaluation with its classes under their names."""
    return {
        "protocol": evaluation.protocol,
        "classes": {name: asdict(figures) for name, figures in evaluation.rows},
        "mean": asdict(evaluation.mean),
        "mixed": asdict(evaluation.mixed),
    }
