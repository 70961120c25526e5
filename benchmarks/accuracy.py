"""What a model loses on its way to another runtime and precision, and how peers do beside it.

    python benchmarks/accuracy.py DATA MODEL... --peer PYTHON --bank BANK.npy
    python benchmarks/accuracy.py DATA --peer PYTHON --dinomaly STATE --weights DINOV2

DATA has MVTec AD's layout, and every MODEL was fitted on its good training pictures, of all
products as one. Each form of a model (the library, and exports by runtime and precision, which are
left beside it; one that is refused has no row) scores all
test pictures: image AUROC, and pixel AUROC on every second pixel of the prepared picture, both as
means over products (the pixels of those with masks); the share of good pictures that the form calls
defects by its own thresholds. anomalib's PatchCore and Dinomaly are judged by the same lines of
code from what the scripts in benchmarks/peers wrote. Nothing is chosen on these pictures. Writes
benchmarks/results/accuracy.json; rows of forms not measured now stay.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from forms import GRAPHS, add_options, exported, forms
from normalis.answering import AbstractScorer, OpenedPicture
from normalis.bundle.load import load_bundle
from normalis.bundle.manifest import read_manifest
from normalis.evaluation.machine import machine
from normalis.export.scorer import load_export
from normalis.images.write import write_text
from normalis.metrics import auroc

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """One form of one model.

    Attributes:
        preset: Of the model, or the peer.
        runtime: "library" or what ran the graph.
        precision: What it computed in.
        image_auroc: Mean over products, in [0, 1].
        pixel_auroc: Mean over products with masks.
        by_product: Image AUROC of each.
        false_alarms: Share of good test pictures called defects; None without thresholds.
        promised: The rate that the thresholds promise.
    """

    preset: str
    runtime: str
    precision: str
    image_auroc: float
    pixel_auroc: float
    by_product: dict[str, float]
    false_alarms: float | None = None
    promised: float | None = None


@dataclass(frozen=True)
class Truth:
    """The test pictures.

    Attributes:
        paths: Their files.
        products: Of each.
        is_defect: Of each.
    """

    paths: list[Path]
    products: np.ndarray
    is_defect: np.ndarray

    def masks(self, size: tuple[int, int]) -> list[np.ndarray | None]:
        """On every second pixel of a picture prepared to `size`; None of a defect without one."""
        return [_mask(path, size) for path in self.paths]


def main() -> None:
    """Measure every form of every model, and the peer."""
    parser = argparse.ArgumentParser(description="Accuracy by runtime and precision.")
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path, nargs="*")
    add_options(parser)
    options = parser.parse_args()
    torch.set_num_threads(1)
    truth = _truth(options.data)
    refused: list[tuple[str, str, str]] = []
    rows = [row for model in options.models for row in _rows(model, truth, options, refused)]
    rows += _peers(options, truth) if options.peer else []
    path = RESULTS / "accuracy.json"
    old = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    known = {*refused, *((row.preset, row.runtime, row.precision) for row in rows)}
    kept = [row for row in old if (row["preset"], row["runtime"], row["precision"]) not in known]
    versions = {name: version(name) for name in ("onnxruntime", "openvino")}
    result = {"machine": {**machine(), **versions}, "rows": [*kept, *map(asdict, rows)]}
    write_text(path, json.dumps(result, indent=1) + "\n")


def _truth(data: Path) -> Truth:
    paths = sorted(data.glob("*/test/*/*.*"))
    return Truth(
        paths,
        np.array([path.parts[-4] for path in paths]),
        np.array([path.parts[-2] != "good" for path in paths]),
    )


def _mask(path: Path, size: tuple[int, int]) -> np.ndarray | None:
    """On every second pixel; empty of a good picture."""
    h, w = size
    if path.parts[-2] == "good":
        return np.zeros((h, w), bool)[::2, ::2]
    folder = path.parents[2] / "ground_truth" / path.parts[-2]
    files = [folder / f"{path.stem}{end}.png" for end in ("", "_mask")]
    found = [file for file in files if file.is_file()]
    if not found:
        return None
    mask = Image.open(found[0]).convert("L").resize((w, h), Image.Resampling.NEAREST)
    return np.asarray(mask)[::2, ::2] > 127


def _rows(
    model: Path, truth: Truth, options: argparse.Namespace, refused: list[tuple[str, str, str]]
) -> list[Row]:
    """All forms of one model; those that an export refuses are noted."""
    name = str(read_manifest(model).recipe["preset"])
    rows: list[Row] = []
    for runtime, precision in forms(model, options, library=("library",)):
        path = exported(model, runtime, precision, data=options.data)
        if path is None:
            refused.append((name, runtime, precision))
            continue
        scorer = (
            load_export(path, threads=1)
            if runtime in GRAPHS
            else load_bundle(path, device=torch.device("cpu"))
        )
        rows.append(_row(scorer, truth, (name, runtime, precision)))
    return rows


def _row(scorer: AbstractScorer, truth: Truth, names: tuple[str, str, str]) -> Row:
    """One form's figures."""
    scores, maps, alarms, promised = [], [], [], []
    for path in truth.paths:
        item = scorer.open(path, strict=True)
        assert isinstance(item, OpenedPicture)
        said = scorer.measure(item.pixels[None])
        decision = scorer.calibration.decide(float(said.image[0]), int(said.concept[0]))
        scores.append(float(said.image[0]))
        maps.append(said.maps[0, ::2, ::2].copy())
        alarms.append(decision.is_anomaly)
        promised.append(decision.far_promised)
    size = (scorer.preparation.height, scorer.preparation.width)
    row = _judged(names, np.array(scores), maps, truth=truth, size=size)
    good = ~truth.is_defect
    done = replace(
        row,
        false_alarms=float(np.array(alarms)[good].mean()),
        promised=float(np.array(promised)[good].mean()),
    )
    print(done, flush=True)
    return done


def _judged(
    names: tuple[str, str, str],
    scores: np.ndarray,
    maps: Sequence[np.ndarray],
    *,
    truth: Truth,
    size: tuple[int, int],
) -> Row:
    """The figures of scores and maps, which are every second pixel of pictures of this size."""
    masks = truth.masks(size)
    image: dict[str, float] = {}
    pixel: list[float] = []
    for product in np.unique(truth.products):
        own = np.flatnonzero(truth.products == product)
        image[str(product)] = auroc(scores[own], truth.is_defect[own]) or 0.0
        masked = [(maps[i], mask) for i in own.tolist() if (mask := masks[i]) is not None]
        if any(mask.any() for _, mask in masked):
            values, marks = (np.stack(column).ravel() for column in zip(*masked, strict=True))
            pixel.append(auroc(values.astype(np.float64), marks) or 0.0)
    means = float(np.mean(list(image.values()))), float(np.mean(pixel))
    preset, runtime, precision = names
    return Row(preset, runtime, precision, *means, image)


def _peers(options: argparse.Namespace, truth: Truth) -> list[Row]:
    """PatchCore with memories of several sizes, and Dinomaly."""
    rows: list[Row] = []
    for codes in options.codes if options.bank else ():
        name, words = f"PatchCore, {int(codes):,} codes", ["--codes", codes]
        rows.append(_peer((name, "patchcore.py", options.bank), words, truth, options))
    if options.dinomaly:
        words = ["--weights", options.weights]
        rows.append(_peer(("Dinomaly", "dinomaly.py", options.dinomaly), words, truth, options))
    return rows


def _peer(
    asked: tuple[str, str, Path], words: list[str], truth: Truth, options: argparse.Namespace
) -> Row:
    """A peer's name, script and what it learned, and the words that its script wants."""
    name, script, learned = asked
    path, data = Path(__file__).parent / "peers" / script, options.data
    with tempfile.TemporaryDirectory() as folder:
        command = [str(options.peer), str(path), "score", str(data), str(learned), folder]
        subprocess.run([*command, *words], check=True)
        said = json.loads((Path(folder) / "scores.json").read_text(encoding="utf-8"))
        maps = np.load(Path(folder) / "maps.npy")
    assert said["pictures"] == [str(path.relative_to(data)) for path in truth.paths]
    size = (2 * maps.shape[1], 2 * maps.shape[2])
    names = (name, "anomalib", "float32")
    row = _judged(names, np.array(said["scores"]), list(maps), truth=truth, size=size)
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
