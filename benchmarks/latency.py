"""How long a picture takes: presets, runtimes, precisions, threads and batches, and where it goes.

    python benchmarks/latency.py examples/pictures --peer PYTHON --bank BANK.npy
    python benchmarks/latency.py examples/pictures --threads 2

Every preset is fitted for one step on the good pictures of DATA (how well it learned changes no
time), on the embedded backbone, and exported. Each form then answers for the same test pictures in
a process of its own: `eager` is the library with the dense detector, `compiled` the library as it
loads a model. The whole way from file to answer is measured: p50 and p95 of the wall time of a
batch, and the lowest processor time, which other work on the machine hardly disturbs. The parts are
lowest processor times per picture: decoding and preparing, backbone, detector ("flow"), bringing
the map back to the picture and deciding; a graph has backbone and detector in one. With `--peer`,
the same run times anomalib's PatchCore (benchmarks/peers). Writes benchmarks/results/latency.json
and latency.md; rows of presets and thread counts that were not asked for stay. The accuracy beside
them comes from benchmarks/accuracy.py.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from normalis.answering import AbstractScorer, OpenedPicture
from normalis.api.fit import fit
from normalis.api.options import FitOptions
from normalis.backbones.settings import BackboneSettings
from normalis.bundle.load import load_bundle
from normalis.evaluation.machine import machine
from normalis.export.info import Format, Precision
from normalis.export.scorer import load_export
from normalis.export.write import export_model
from normalis.features.store import as_stored
from normalis.images.decode import read_picture
from normalis.images.prepare import Preparation, prepare
from normalis.images.write import write_text
from normalis.presets import preset
from normalis.recipes import Recipe
from normalis.report.tables import Table, as_markdown
from normalis.results import Result
from normalis.scoring import Scorer

RESULTS = Path(__file__).parent / "results"
GRAPHS: dict[str, Format] = {"onnxruntime": "onnx", "openvino": "openvino"}
FORMS: tuple[tuple[str, Precision], ...] = (
    ("eager", "float32"),
    ("compiled", "float32"),
    ("onnxruntime", "float32"),
    ("onnxruntime", "int8"),
    ("openvino", "float32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One preset in one form at one batch size; milliseconds.

    Attributes:
        preset: Which.
        runtime: What ran it.
        precision: What it computed in.
        threads: Processor cores.
        batch: Pictures at a time.
        p50: Median wall time of a batch, from files to answers.
        p95: The time that 19 of 20 batches do not pass.
        pictures_a_second: At the median.
        processor: Lowest processor time per picture.
        decode: Of it, reading and preparing.
        backbone: The network; None where graph and detector are one.
        flow: The detector; for a graph, both together.
        after: Map to the picture's own pixels, p-value, place; 0 of a peer, which has none.
        peak_megabytes: The process's highest memory up to then.
        megabytes: Size of the model's files.
    """

    preset: str
    runtime: str
    precision: str
    threads: int
    batch: int
    p50: float
    p95: float
    pictures_a_second: float
    processor: float
    decode: float
    backbone: float | None
    flow: float
    after: float
    peak_megabytes: float
    megabytes: float


def main() -> None:
    """Measure every combination, and write the table."""
    options = _options()
    if options.form:
        _one(options)
        return
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.presets:
            model = Path(folder) / name
            cached = FitOptions(cache=options.cache, device="cpu")
            fit(options.data, model, recipe=_recipe(name), options=cached)
            for runtime, precision in FORMS:
                if options.precisions and precision not in options.precisions:
                    continue
                form = _exported(model, runtime, precision, options.data)
                rows += _rows([str(options.data), "--form", str(form), runtime], options)
    rows += [] if options.peer is None else _peers(options)
    rows = [*_others(rows), *rows]
    versions = {name: version(name) for name in ("onnxruntime", "openvino")}
    result = {"machine": {**machine(), **versions}, "rows": [asdict(row) for row in rows]}
    write_text(RESULTS / "latency.json", json.dumps(result, indent=1) + "\n")
    write_text(RESULTS / "latency.md", as_markdown(_table(rows)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Latency of presets and runtimes.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--presets", nargs="*", default=["vqflow"])
    parser.add_argument("--precisions", nargs="*", help="float32, bf16, int8; all by default.")
    parser.add_argument("--batches", nargs="*", default=["1", "8", "32"])
    parser.add_argument("--pictures", type=int, default=24, help="At least so many, 3 batches.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--peer", type=Path, help="Python of the peers' environment.")
    parser.add_argument("--bank", type=Path, help="What PatchCore learned.")
    parser.add_argument("--codes", nargs="*", default=["1179", "11792"], help="Of the bank.")
    parser.add_argument("--form", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def _rows(arguments: Sequence[str], options: argparse.Namespace) -> list[Row]:
    """One form in a process of its own, whose memory is its own too."""
    command = [sys.executable, __file__, *arguments]
    return [Row(**said) for said in _said(command, options)]


def _said(command: Sequence[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """What a measuring process prints, an object a line."""
    threads = str(options.threads)
    measured = ("--threads", threads, "--batches", *options.batches)
    limits = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    done = subprocess.run(
        [*command, *measured],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **limits},
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    print(done.stdout, end="", flush=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _one(options: argparse.Namespace) -> None:
    """Measure one form, and print its rows."""
    torch.set_num_threads(options.threads)
    path, runtime = Path(options.form[0]), str(options.form[1])
    paths = sorted(options.data.glob("*/test/*/*.*"))
    scorer: AbstractScorer
    if runtime in GRAPHS:
        scorer = load_export(path, threads=options.threads)
    else:
        device = torch.device("cpu")
        scorer = load_bundle(path, device=device, compiled=runtime == "compiled")
    name, _, precision = path.name.partition("+")
    for batch in map(int, options.batches):
        scorer.batch_size = batch
        chosen = (paths * (1 + batch // len(paths)))[:: max(1, len(paths) // batch)][:batch]
        measured = _Timed(scorer, chosen, max(3, options.pictures // batch)).parts()
        row = Row(
            preset=name,
            runtime=runtime,
            precision=precision.partition("+")[2] or "float32",
            threads=options.threads,
            batch=batch,
            peak_megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
            megabytes=_size(path) / 1e6,
            **cast("dict[str, Any]", measured),
        )
        print(json.dumps(asdict(row)), flush=True)


def _peers(options: argparse.Namespace) -> list[Row]:
    """PatchCore with memories of several sizes."""
    script = str(Path(__file__).parent / "peers" / "patchcore.py")
    rows: list[Row] = []
    for codes in options.codes:
        command = [str(options.peer), script, "time", str(options.data), str(options.bank)]
        for said in _said([*command, "--codes", codes], options):
            name = f"PatchCore, {said.pop('codes'):,} codes"
            fixed = {"runtime": "anomalib", "precision": "float32", "after": 0.0}
            rows.append(Row(preset=name, threads=options.threads, **fixed, **said))
    return rows


class _Timed:
    """A scorer on one batch of pictures."""

    def __init__(self, scorer: AbstractScorer, paths: Sequence[Path], runs: int) -> None:
        self.scorer = scorer
        self.paths = list(paths)
        self.runs = runs
        self.pixels = np.stack([self._prepared(path) for path in self.paths])

    def parts(self) -> dict[str, float | None]:
        """Measure the whole and the parts."""
        walls, processor = self._times(lambda: list(self.scorer.score(self.paths, strict=True)))
        model = self._least(lambda: self.scorer.measure(self.pixels))
        backbone = self._backbone()
        return {
            "p50": statistics.median(walls),
            "p95": float(np.quantile(walls, 0.95)),
            "pictures_a_second": 1e3 * len(self.paths) / statistics.median(walls),
            "processor": processor,
            "decode": self._least(lambda: [self._prepared(path) for path in self.paths]),
            "backbone": backbone,
            "flow": model - (backbone or 0.0),
            "after": self._after(),
        }

    def _prepared(self, path: Path) -> np.ndarray:
        return prepare(read_picture(path), self.scorer.preparation).pixels

    def _backbone(self) -> float | None:
        """The network alone, with the rounding of its maps."""
        scorer = self.scorer
        if not isinstance(scorer, Scorer):
            return None
        pixels = torch.from_numpy(self.pixels)
        with torch.inference_mode():
            return self._least(lambda: as_stored(scorer.pyramid(pixels)))

    def _after(self) -> float:
        """What is left to do for a picture when the map is there."""
        opened = [self.scorer.open(path, strict=True) for path in self.paths]
        items = [item for item in opened if isinstance(item, OpenedPicture)]
        measured = self.scorer.measure(self.pixels)

        def answers() -> list[Result]:
            return [
                self.scorer.answer(item, measured, index=i, far=None)
                for i, item in enumerate(items)
            ]

        return self._least(answers)

    def _least(self, work: Callable[[], object]) -> float:
        return self._times(work)[1]

    def _times(self, work: Callable[[], object]) -> tuple[list[float], float]:
        """Wall times, and the lowest processor time per picture, after one run that warms up."""
        work()
        walls, processors = [], []
        for _ in range(self.runs):
            wall, processor = time.perf_counter(), time.process_time()
            work()
            walls.append(1e3 * (time.perf_counter() - wall))
            processors.append(1e3 * (time.process_time() - processor) / len(self.paths))
        return walls, min(processors)


def _recipe(name: str) -> Recipe:
    """The preset on the embedded backbone, trained as little as can be."""
    recipe = preset(name)
    training = replace(recipe.training, epochs=1, least_steps=1)
    return replace(
        recipe,
        backbone=BackboneSettings(pool=True),
        preparation=Preparation(),
        training=training,
    )


def _exported(model: Path, runtime: str, precision: Precision, data: Path) -> Path:
    """The folder that the form is opened from; a name says preset, runtime and precision."""
    if runtime not in GRAPHS:
        return model
    out = model.with_name(f"{model.name}+{runtime}+{precision}")
    pictures = () if precision == "float32" else (data,)
    export_model(model, out, format=GRAPHS[runtime], precision=precision, pictures=pictures)
    return out


def _others(new: Sequence[Row]) -> list[Row]:
    """The rows of an earlier run that this one does not replace."""
    path = RESULTS / "latency.json"
    if not path.is_file():
        return []
    rows = [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
    replaced = {(row.preset, row.threads) for row in new}
    return [row for row in rows if (row.preset, row.threads) not in replaced]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _table(rows: Sequence[Row]) -> Table:
    """What the README shows."""
    head = ("preset", "runtime", "precision", "threads", "batch", "p50 ms", "p95 ms", "pictures/s")
    parts = ("processor ms/picture", "decode", "backbone", "flow", "after", "peak MB", "MB")
    accuracy = ("image AUROC", "pixel AUROC")
    known = _accuracy()
    lines = tuple((*_cells(row), *known.get(_key(row), ("", ""))) for row in rows)
    return Table((*head, *parts, *accuracy), lines, ())


def _key(row: Row) -> tuple[str, str, str]:
    """Under which its accuracy stands; the dense detector's is that of its compiled form."""
    in_library = row.runtime in ("eager", "compiled")
    return row.preset, "library" if in_library else row.runtime, row.precision


def _accuracy() -> dict[tuple[str, str, str], tuple[str, str]]:
    """Per cent, means over products, of what benchmarks/accuracy.py measured."""
    path = RESULTS / "accuracy.json"
    if not path.is_file():
        return {}
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return {
        (row["preset"], row["runtime"], row["precision"]): (
            f"{100 * row['image_auroc']:.1f}",
            f"{100 * row['pixel_auroc']:.1f}",
        )
        for row in rows
    }


def _cells(row: Row) -> tuple[str, ...]:
    names = (row.preset, row.runtime, row.precision, str(row.threads), str(row.batch))
    times = (row.p50, row.p95, row.pictures_a_second, row.processor, row.decode)
    backbone = "in flow" if row.backbone is None else f"{row.backbone:.1f}"
    rest = (row.flow, row.after, row.peak_megabytes, row.megabytes)
    return (*names, *(f"{x:.1f}" for x in times), backbone, *(f"{x:.1f}" for x in rest))


if __name__ == "__main__":
    main()
