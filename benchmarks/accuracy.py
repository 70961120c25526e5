"""What a model loses on its way to another runtime and precision, and how peers do beside it.

    python benchmarks/accuracy.py DATA MODEL... --peer PYTHON --bank BANK.npy

DATA has MVTec AD's layout, and every MODEL was fitted on its good training pictures, of all
products as one. Each form of a model (the library, and exports by runtime and precision) scores all
test pictures: image AUROC, and pixel AUROC on every second pixel of the prepared picture, both as
means over products (the pixels of those with masks); the share of good pictures that the form calls
defects by its own thresholds. anomalib's PatchCore is judged by the
same lines of code from what benchmarks/peers/patchcore.py wrote. Nothing is chosen on these
pictures. Writes benchmarks/results/accuracy.json; rows of presets not measured now stay.
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

from normalis.answering import AbstractScorer, OpenedPicture
from normalis.bundle.load import load_bundle
from normalis.bundle.manifest import read_manifest
from normalis.evaluation.machine import machine
from normalis.export.info import Format, Precision
from normalis.export.scorer import load_export
from normalis.export.write import export_model, program_of
from normalis.images.write import write_text
from normalis.metrics import auroc

RESULTS = Path(__file__).parent / "results"
FORMS: tuple[tuple[str, Format, Precision], ...] = (
    ("onnxruntime", "onnx", "float32"),
    ("onnxruntime", "onnx", "int8"),
    ("openvino", "openvino", "float32"),
    ("openvino", "openvino", "bf16"),
)


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
        masks: On every second pixel of the prepared picture; None of a defect without one.
    """

    paths: list[Path]
    products: np.ndarray
    is_defect: np.ndarray
    masks: list[np.ndarray | None]


def main() -> None:
    """Measure every form of every model, and the peer."""
    parser = argparse.ArgumentParser(description="Accuracy by runtime and precision.")
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--peer", type=Path, help="Python of the peers' environment.")
    parser.add_argument("--bank", type=Path, help="What PatchCore learned.")
    parser.add_argument("--codes", nargs="*", default=["1179", "4716"], help="Of the bank.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    truth = _truth(options.data)
    rows = [row for model in options.models for row in _rows(model, truth, options.data)]
    sizes = options.codes if options.peer else ()
    rows += [_peer(options, truth, codes) for codes in sizes]
    path = RESULTS / "accuracy.json"
    old = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    measured = {row.preset for row in rows}
    kept = [row for row in old if row["preset"] not in measured]
    versions = {name: version(name) for name in ("onnxruntime", "openvino")}
    result = {"machine": {**machine(), **versions}, "rows": [*kept, *map(asdict, rows)]}
    write_text(path, json.dumps(result, indent=1) + "\n")


def _truth(data: Path) -> Truth:
    paths = sorted(data.glob("*/test/*/*.*"))
    return Truth(
        paths,
        np.array([path.parts[-4] for path in paths]),
        np.array([path.parts[-2] != "good" for path in paths]),
        [_mask(path) for path in paths],
    )


def _mask(path: Path) -> np.ndarray | None:
    """On every second pixel of 320 by 320; empty of a good picture."""
    if path.parts[-2] == "good":
        return np.zeros((160, 160), bool)
    folder = path.parents[2] / "ground_truth" / path.parts[-2]
    files = [folder / f"{path.stem}{end}.png" for end in ("", "_mask")]
    found = [file for file in files if file.is_file()]
    if not found:
        return None
    mask = Image.open(found[0]).convert("L").resize((320, 320), Image.Resampling.NEAREST)
    return np.asarray(mask)[::2, ::2] > 127


def _rows(model: Path, truth: Truth, data: Path) -> list[Row]:
    """All forms of one model."""
    name = str(read_manifest(model).recipe["preset"])
    rows = [_row(load_bundle(model, device=torch.device("cpu")), truth, (name, "library", ""))]
    program = program_of(model)
    with tempfile.TemporaryDirectory() as folder:
        for runtime, target, precision in FORMS:
            out = Path(folder) / f"{runtime}-{precision}"
            export_model(
                model,
                out,
                format=target,
                precision=precision,
                pictures=() if precision == "float32" else (data,),
                program=None if precision == "bf16" else program,
            )
            rows.append(_row(load_export(out, threads=1), truth, (name, runtime, precision)))
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
    row = _judged(names, np.array(scores), maps, truth=truth)
    good = ~truth.is_defect
    done = replace(
        row,
        false_alarms=float(np.array(alarms)[good].mean()),
        promised=float(np.array(promised)[good].mean()),
    )
    print(done, flush=True)
    return done


def _judged(
    names: tuple[str, str, str], scores: np.ndarray, maps: Sequence[np.ndarray], *, truth: Truth
) -> Row:
    """The figures of scores and maps."""
    image: dict[str, float] = {}
    pixel: list[float] = []
    for product in np.unique(truth.products):
        own = np.flatnonzero(truth.products == product)
        image[str(product)] = auroc(scores[own], truth.is_defect[own]) or 0.0
        masked = [(maps[i], mask) for i in own.tolist() if (mask := truth.masks[i]) is not None]
        if any(mask.any() for _, mask in masked):
            values, marks = (np.stack(column).ravel() for column in zip(*masked, strict=True))
            pixel.append(auroc(values.astype(np.float64), marks) or 0.0)
    means = float(np.mean(list(image.values()))), float(np.mean(pixel))
    preset, runtime, precision = names
    return Row(preset, runtime, precision or "float32", *means, image)


def _peer(options: argparse.Namespace, truth: Truth, codes: str) -> Row:
    """PatchCore with so many codes."""
    script, data = Path(__file__).parent / "peers" / "patchcore.py", options.data
    with tempfile.TemporaryDirectory() as folder:
        command = [str(options.peer), str(script), "score", str(data), str(options.bank), folder]
        subprocess.run([*command, "--codes", codes], check=True)
        said = json.loads((Path(folder) / "scores.json").read_text(encoding="utf-8"))
        maps = np.load(Path(folder) / "maps.npy")
    assert said["pictures"] == [str(path.relative_to(data)) for path in truth.paths]
    names = (f"PatchCore, {int(codes):,} codes", "anomalib", "float32")
    row = _judged(names, np.array(said["scores"]), list(maps), truth=truth)
    print(row, flush=True)
    return row


if __name__ == "__main__":
    main()
