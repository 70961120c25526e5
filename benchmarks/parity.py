"""Saved models against their own compiled and exported forms, on real pictures.

    python benchmarks/parity.py PICTURES MODEL...

Exports every model to ONNX and OpenVINO, scores PICTURES (a data set's root; its test pictures) in
the library with the dense detector, and compares each other form with that: the largest
difference of a map as a share of its largest value, of a score as a share of the score, and how
many decisions, concepts and p-values differ. Writes benchmarks/results/parity.json.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from normalis.answering import AbstractScorer
from normalis.bundle.load import load_bundle
from normalis.bundle.manifest import read_manifest
from normalis.evaluation.machine import machine
from normalis.export.info import Format
from normalis.export.scorer import load_export
from normalis.export.write import export_model, program_of
from normalis.images.write import write_text
from normalis.results import Result

RESULTS = Path(__file__).parent / "results"
FORMATS: tuple[Format, ...] = ("onnx", "openvino")


@dataclass(frozen=True)
class Row:
    """One form of one model against the dense detector in the library.

    Attributes:
        preset: Of the model.
        form: "compiled", or the runtime.
        pictures: How many were compared.
        map_largest: Largest difference of a map, as a share of its largest value.
        map_median: Over pictures.
        score_largest: Largest relative difference of an image score.
        other_decisions: Verdicts that differ.
        other_concepts: Concepts that differ.
        other_p_values: p-values that differ.
    """

    preset: str
    form: str
    pictures: int
    map_largest: float
    map_median: float
    score_largest: float
    other_decisions: int
    other_concepts: int
    other_p_values: int


def main() -> None:
    """Compare every model."""
    parser = argparse.ArgumentParser(description="Parity of compiled and exported models.")
    parser.add_argument("pictures", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1, help="Take every n-th picture.")
    options = parser.parse_args()
    paths = sorted(options.pictures.glob("*/test/*/*.*"))[:: options.every]
    rows = [row for model in options.models for row in _rows(model, paths)]
    versions = {name: version(name) for name in ("onnxruntime", "openvino")}
    result = {"machine": {**machine(), **versions}, "rows": [asdict(row) for row in rows]}
    write_text(RESULTS / "parity.json", json.dumps(result, indent=1) + "\n")


def _rows(model: Path, paths: Sequence[Path]) -> list[Row]:
    """All forms of a model."""
    cpu = torch.device("cpu")
    preset = str(read_manifest(model).recipe["preset"])
    ours = _answers(load_bundle(model, device=cpu, compiled=False), paths)
    rows = [_row(preset, "compiled", ours, _answers(load_bundle(model, device=cpu), paths))]
    program = program_of(model)
    with tempfile.TemporaryDirectory() as folder:
        for target in FORMATS:
            out = Path(folder) / target
            export_model(model, out, format=target, program=program)
            rows.append(_row(preset, target, ours, _answers(load_export(out, threads=1), paths)))
            print(rows[-1], flush=True)
    return rows


def _answers(scorer: AbstractScorer, paths: Sequence[Path]) -> list[Result]:
    return [answer for answer in scorer.score(paths, strict=True) if isinstance(answer, Result)]


def _row(preset: str, form: str, ours: Sequence[Result], theirs: Sequence[Result]) -> Row:
    pairs = list(zip(ours, theirs, strict=True))
    maps = [float(np.abs(a.map - b.map).max() / np.abs(a.map).max()) for a, b in pairs]
    return Row(
        preset=preset,
        form=form,
        pictures=len(pairs),
        map_largest=max(maps),
        map_median=float(np.median(maps)),
        score_largest=max(abs(a.score - b.score) / abs(a.score) for a, b in pairs),
        other_decisions=sum(a.decision.is_anomaly != b.decision.is_anomaly for a, b in pairs),
        other_concepts=sum(a.concept != b.concept for a, b in pairs),
        other_p_values=sum(a.decision.p_value != b.decision.p_value for a, b in pairs),
    )


if __name__ == "__main__":
    main()
