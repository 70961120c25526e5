"""How long one form of a model takes for a picture; benchmarks/latency.py starts this.

    python benchmarks/latency_form.py DATA FORM RUNTIME --threads 1 --batches 1 8

Prints a row of milliseconds for each batch size, as JSON. A process of its own has a peak of memory
of its own, and its number of threads from the start.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from forms import GRAPHS
from normalis.answering import AbstractScorer, OpenedPicture
from normalis.bundle.load import load_bundle
from normalis.export.scorer import load_export
from normalis.images.decode import read_picture
from normalis.images.prepare import prepare
from normalis.results import Result
from normalis.scoring import Scorer

MOST = 24  # runs
WHOLE = (3, 3.0)  # runs that there must be, and seconds after which no more begin
PART = (2, 1.0)


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
        peak_megabytes: The process's highest memory up to then, torch and all; None where it is not
            known.
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
    peak_megabytes: float | None
    megabytes: float


def main() -> None:
    """Measure one form, and print its rows."""
    parser = argparse.ArgumentParser(description="Latency of one form of a model.")
    parser.add_argument("data", type=Path)
    parser.add_argument("form", type=Path, help="A model, or an export PRESET+RUNTIME+PRECISION.")
    parser.add_argument("runtime", choices=("eager", "compiled", *GRAPHS))
    parser.add_argument("--batches", type=int, nargs="*", default=[1])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    path, runtime = options.form, options.runtime
    paths = sorted(options.data.glob("*/test/*/*.*"))
    scorer: AbstractScorer
    if runtime in GRAPHS:
        scorer = load_export(path, threads=options.threads)
    else:
        device = torch.device("cpu")
        scorer = load_bundle(path, device=device, compiled=runtime == "compiled")
    name, _, precision = path.name.partition("+")
    for batch in options.batches:
        scorer.batch_size = batch
        chosen = (paths * (1 + batch // len(paths)))[:: max(1, len(paths) // batch)][:batch]
        measured = _Timed(scorer, chosen).parts()
        row = Row(
            preset=name,
            runtime=runtime,
            precision=precision.partition("+")[2] or "float32",
            threads=options.threads,
            batch=batch,
            peak_megabytes=_peak_megabytes(),
            megabytes=_size(path) / 1e6,
            **cast("dict[str, Any]", measured),
        )
        print(json.dumps(asdict(row)), flush=True)


class _Timed:
    """A scorer on one batch of pictures."""

    def __init__(self, scorer: AbstractScorer, paths: Sequence[Path]) -> None:
        self.scorer = scorer
        self.paths = list(paths)
        self.pixels = np.stack([self._prepared(path) for path in self.paths])

    def parts(self) -> dict[str, float | None]:
        """Measure the whole and the parts."""
        list(self.scorer.score(self.paths, strict=True))  # warms up
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
        """The network alone."""
        scorer = self.scorer
        if not isinstance(scorer, Scorer):
            return None
        with torch.inference_mode():
            return self._least(lambda: scorer.features(self.pixels))

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
        return self._times(work, bounds=PART)[1]

    def _times(
        self, work: Callable[[], object], *, bounds: tuple[int, float] = WHOLE
    ) -> tuple[list[float], float]:
        """Wall times, and the lowest processor time per picture."""
        walls: list[float] = []
        processors: list[float] = []
        least, seconds = bounds
        end = time.perf_counter() + seconds
        while len(walls) < least or (len(walls) < MOST and time.perf_counter() < end):
            wall, processor = time.perf_counter(), time.process_time()
            work()
            walls.append(1e3 * (time.perf_counter() - wall))
            processors.append(1e3 * (time.process_time() - processor) / len(self.paths))
        return walls, min(processors)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _peak_megabytes() -> float:
    """Highest memory of this process; `getrusage` would count what its parent held, too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1e3


if __name__ == "__main__":
    main()
