"""How long a picture takes: presets, runtimes and batch sizes, and where the time goes.

    python benchmarks/latency.py examples/pictures

Every preset is fitted for one step on the good pictures of DATA (how well it learned changes no
time), on the embedded backbone, and exported. Each runtime then answers for the same test pictures:
`eager` is the library with the dense detector, `compiled` the library as it loads a model. The
whole way from file to answer is measured: p50 and p95 of the wall time of a batch, and the lowest
processor time, which other work on the machine hardly disturbs. The parts are lowest processor
times per picture: decoding and preparing, backbone, detector ("flow"), bringing the map back to
the picture and deciding; a graph has backbone and detector in one. Writes
benchmarks/results/latency.json and latency.md; rows of presets that were not asked for stay.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from normalis.answering import AbstractScorer, OpenedPicture
from normalis.api.fit import fit
from normalis.api.options import FitOptions
from normalis.backbones.settings import BackboneSettings
from normalis.bundle.load import load_bundle
from normalis.evaluation.machine import machine
from normalis.export.info import Format
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
RUNTIMES = ("eager", "compiled", "onnxruntime", "openvino")
GRAPHS: dict[str, Format] = {"onnxruntime": "onnx", "openvino": "openvino"}


@dataclass(frozen=True)
class Row:
    """One preset in one runtime at one batch size; milliseconds.

    Attributes:
        preset: Which.
        runtime: What ran it.
        batch: Pictures at a time.
        p50: Median wall time of a batch, from files to answers.
        p95: The time that 19 of 20 batches do not pass.
        pictures_a_second: At the median.
        processor: Lowest processor time per picture.
        decode: Of it, reading and preparing.
        backbone: The network; None where graph and detector are one.
        flow: The detector; for a graph, both together.
        after: Map to the picture's own pixels, p-value, place.
        megabytes: Size of the model's files.
    """

    preset: str
    runtime: str
    batch: int
    p50: float
    p95: float
    pictures_a_second: float
    processor: float
    decode: float
    backbone: float | None
    flow: float
    after: float
    megabytes: float


def main() -> None:
    """Measure every combination, and write the table."""
    parser = argparse.ArgumentParser(description="Latency of presets and runtimes.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--presets", nargs="*", default=["vqflow", "vqflow-paper", "flow"])
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 8, 32])
    parser.add_argument("--pictures", type=int, default=24, help="At least so many, 3 batches.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    paths = sorted(options.data.glob("*/test/*/*.*"))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.presets:
            model = Path(folder) / name
            cached = FitOptions(cache=options.cache, device="cpu")
            fit(options.data, model, recipe=_recipe(name), options=cached)
            for runtime in RUNTIMES:
                scorer, size = _open(model, runtime, threads=options.threads)
                for batch in options.batches:
                    scorer.batch_size = batch
                    chosen = (paths * (1 + batch // len(paths)))[:: max(1, len(paths) // batch)]
                    runs = max(3, options.pictures // batch)
                    timed = _Timed(scorer, chosen[:batch], runs)
                    rows.append(timed.row(name, runtime, megabytes=size / 1e6))
                    print(rows[-1], flush=True)
    rows = [*_others(options.presets), *rows]
    versions = {name: version(name) for name in ("onnxruntime", "openvino")}
    result = {"machine": {**machine(), **versions}, "rows": [asdict(row) for row in rows]}
    write_text(RESULTS / "latency.json", json.dumps(result, indent=1) + "\n")
    write_text(RESULTS / "latency.md", as_markdown(_table(rows)))


class _Timed:
    """A scorer on one batch of pictures."""

    def __init__(self, scorer: AbstractScorer, paths: Sequence[Path], runs: int) -> None:
        self.scorer = scorer
        self.paths = list(paths)
        self.runs = runs
        self.pixels = np.stack([self._prepared(path) for path in self.paths])

    def row(self, preset: str, runtime: str, *, megabytes: float) -> Row:
        """Measure the whole and the parts."""
        walls, processor = self._times(lambda: list(self.scorer.score(self.paths, strict=True)))
        decode = self._least(lambda: [self._prepared(path) for path in self.paths])
        model = self._least(lambda: self.scorer.measure(self.pixels))
        backbone = self._backbone()
        return Row(
            preset=preset,
            runtime=runtime,
            batch=len(self.paths),
            p50=statistics.median(walls),
            p95=float(np.quantile(walls, 0.95)),
            pictures_a_second=1e3 * len(self.paths) / statistics.median(walls),
            processor=processor,
            decode=decode,
            backbone=backbone,
            flow=model - (backbone or 0.0),
            after=self._after(),
            megabytes=megabytes,
        )

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


def _open(model: Path, runtime: str, *, threads: int) -> tuple[AbstractScorer, int]:
    """The scorer, and the bytes of its files."""
    if runtime in GRAPHS:
        out = model.with_name(f"{model.name}-{runtime}")
        export_model(model, out, format=GRAPHS[runtime])
        return load_export(out, threads=threads), _size(out)
    device = torch.device("cpu")
    return load_bundle(model, device=device, compiled=runtime == "compiled"), _size(model)


def _others(presets: Sequence[str]) -> list[Row]:
    """The rows of an earlier run that this one does not replace."""
    path = RESULTS / "latency.json"
    if not path.is_file():
        return []
    rows = [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]
    return [row for row in rows if row.preset not in presets]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _table(rows: Sequence[Row]) -> Table:
    """What the README shows."""
    head = ("preset", "runtime", "batch", "p50 ms", "p95 ms", "pictures/s", "processor ms/picture")
    parts = ("decode", "backbone", "flow", "after", "MB")
    return Table((*head, *parts), tuple(map(_cells, rows)), ())


def _cells(row: Row) -> tuple[str, ...]:
    names = (row.preset, row.runtime, str(row.batch))
    times = (row.p50, row.p95, row.pictures_a_second, row.processor, row.decode)
    backbone = "in flow" if row.backbone is None else f"{row.backbone:.1f}"
    rest = (row.flow, row.after, row.megabytes)
    return (*names, *(f"{x:.1f}" for x in times), backbone, *(f"{x:.1f}" for x in rest))


if __name__ == "__main__":
    main()
