"""One training of a preset from stored features: how long a step takes, and where it goes.

What `benchmarks/training.py` starts, once for each version of the code; it uses nothing but what
every version has had since the first that trained. Prints one JSON object.

    python benchmarks/training_run.py STORE

STORE is a folder of features that `training.py` made.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.autograd.profiler import record_function
from torch.profiler import ProfilerActivity, profile

from normalis.datasets.sample import Sample
from normalis.detectors.build import build_detector
from normalis.detectors.vqflow.build import PictureShapes
from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.features.extract import FeatureTable
from normalis.features.store import FeatureStore
from normalis.training import TrainingData, TrainingSettings, train

WARM = 3  # steps that are not counted: memory is still being taken
REST = "loss, log and the rest"
PREFIX = "part: "
ENGINE = "autograd::engine::evaluate_function"

# Module, class if any, function, and the part of an epoch that it is. What lies in another counts
# for itself alone; what a version does not have is left out.
PARTS = (
    ("normalis.training.loop", "", "train", REST),
    ("normalis.training.loop", "_Run", "save", "checkpoint"),
    ("normalis.training.loop", "", "load_batch", "loading"),
    ("normalis.quantize.ema", "EMAQuantizer", "quantize", "quantising"),
    ("normalis.quantize.ema", "EMAQuantizer", "update", "quantising"),
    ("normalis.detectors.vqflow.condition", "VQConditioner", "forward", "condition"),
    ("normalis.mixtures.located_gaussian", "LocatedGaussian", "forward", "whitening"),
    ("normalis.mixtures.concept_gaussian", "ConceptGaussian", "forward", "prior"),
    ("normalis.flows.linear", "HardPermutation", "forward", "permutations"),
    ("normalis.flows.coupling", "AffineCoupling", "_scale_and_shift", "subnets"),
    ("normalis.flows.transform", "Compose", "forward", "couplings beside subnets"),
    ("normalis.flows.fusion", "FusionCoupling", "forward", "fusion"),
    ("torch.nn.utils", "", "clip_grad_norm_", "optimiser"),
    ("torch.optim", "AdamW", "step", "optimiser"),
    ("torch", "Tensor", "backward", "backward"),
)


class Clock:
    """An observer that notes the processor time at the end of every step and epoch."""

    def __init__(self) -> None:
        self.times: list[float | None] = []
        self.ends: list[float] = []

    def stage(self, name: str, total: int) -> None:
        """Begin; the first step has no beginning that is known."""

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """Note the end of a step; an epoch ends with a count of 0, as a training begins."""
        self.times.append(time.process_time() if count else None)
        if not count:
            self.ends.append(time.process_time())

    def say(self, sentence: str) -> None:
        """Hear nothing."""

    def steps(self) -> list[float]:
        """Seconds of each step that follows another of the same epoch, in rising order."""
        pairs = zip(self.times, self.times[1:], strict=False)
        seconds = [b - a for a, b in pairs if a is not None and b is not None]
        return sorted(seconds[WARM:])

    def epochs(self) -> list[float]:
        """Seconds of each epoch behind the first, in rising order."""
        ends = self.ends[1:]  # behind the beginning
        return sorted(b - a for a, b in pairwise(ends))


def main() -> None:
    """Train, time, profile, print."""
    parser = argparse.ArgumentParser(description="One training, timed.")
    parser.add_argument("store", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    clock = Clock()
    records = _training(options.store, clock, epochs=options.epochs)()
    result: dict[str, Any] = {
        "seconds_a_step": clock.steps()[0],
        "seconds_an_epoch": clock.epochs()[0],
        "nll": [getattr(record, "nll", None) or record.flow for record in records],
        "held_out": [record.validation for record in records],
    }
    if options.profile:
        with _named_parts(), profile(activities=[ProfilerActivity.CPU]) as profiler:
            _training(options.store, Clock(), epochs=1)()
        result["shares"] = _shares(profiler.events())
    print(json.dumps(result))


def _training(folder: Path, clock: Clock, *, epochs: int) -> Callable[[], Any]:
    """A training of a detector that has been set from data; `train` is looked up when it starts."""
    made = json.loads((folder / "made.json").read_text(encoding="utf-8"))
    store = FeatureStore(folder, tuple(tuple(shape) for shape in made["shapes"]))
    digests = tuple(made["digests"])
    samples = tuple(Sample(Path(d), d, None, "train", "good", None) for d in digests)
    table = FeatureTable(store, samples, digests, ())
    detector = build_detector(
        VQFlowSettings(hidden=made["hidden"]),
        PictureShapes(tuple(made["size"]), store.shapes),
        concepts=made["concepts"],
        seed=0,
    ).train()
    rows = tuple(range(made["train"]))

    def reading() -> Iterator[list[torch.Tensor]]:
        for first in range(0, len(rows), 16):
            yield table.batch(rows[first : first + 16])

    detector.initialise(reading, seed=0)
    held_out = tuple(range(made["train"], len(digests)))
    data = TrainingData(table, rows, held_out, (None,) * len(digests))
    settings = TrainingSettings(epochs=epochs, least_steps=0)

    def run() -> Any:  # noqa: ANN401 (its records differ between versions)
        with tempfile.TemporaryDirectory() as out:
            checkpoint = Path(out) / "checkpoint"
            loop = import_module(train.__module__)
            return loop.train(
                detector, data, settings=settings, checkpoint=checkpoint, observer=clock
            )

    return run


@contextmanager
def _named_parts() -> Generator[None]:
    """Every part says when it begins and ends, for as long as the block lasts."""
    with ExitStack() as stack:
        for module, kind, name, part in PARTS:
            home: Any = import_module(module)
            home = getattr(home, kind) if kind else home
            if hasattr(home, name):
                stack.enter_context(patch.object(home, name, _named(getattr(home, name), part)))
        yield


def _named(function: Callable[..., Any], part: str) -> Callable[..., Any]:
    """The function, which tells the profiler that it is this part."""

    @wraps(function)
    def named(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        with record_function(PREFIX + part):
            return function(*args, **kwargs)

    return named


def _shares(events: Any) -> dict[str, float]:  # noqa: ANN401 (torch's own list of events)
    """What share of the time each part took, its share of the backward pass included.

    An operation and its gradient have the same number: the gradient's time is that of the part in
    which the operation was.
    """
    totals: dict[str, float] = {}
    owners: dict[int, str] = {}
    running: list[tuple[str, float]] = []  # parts within each other, and when each ends
    backward_until = 0.0
    for event in sorted(events, key=lambda e: (e.time_range.start, -e.time_range.end)):
        start, end = event.time_range.start, event.time_range.end
        while running and running[-1][1] <= start:
            running.pop()
        if start < backward_until:
            continue
        if event.name.startswith(PREFIX):
            part = event.name.removeprefix(PREFIX)
            if not running and part != REST:
                continue  # what is set from data before the training
            _move(totals, part, running[-1][0] if running else None, end - start)
            running.append((part, end))
        elif event.name.startswith(ENGINE) and running:
            part = owners.get(event.sequence_nr, REST)
            _move(totals, part, running[-1][0], end - start)
            backward_until = end
        elif event.sequence_nr >= 0 and running:
            owners[event.sequence_nr] = running[-1][0]
    totals[REST] += totals.pop("backward")
    whole = sum(totals.values())
    ranked = sorted(totals.items(), key=lambda pair: -pair[1])
    return {part: total / whole for part, total in ranked}


def _move(totals: dict[str, float], part: str, outer: str | None, length: float) -> None:
    """Give this time to a part, and take it from the one around it."""
    totals[part] = totals.get(part, 0.0) + length
    if outer is not None:
        totals[outer] -= length


if __name__ == "__main__":
    main()
