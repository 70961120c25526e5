"""Training the preset `vqflow` from stored features: the present code and the first that trained.

    python benchmarks/training.py

Needs the repository's history: the first version is taken out of it and run as it was, in a
process of its own, with the settings of today's preset. Features are made, of the shapes that the
embedded backbone gives and of five products, and written to a feature store of their own, so that
it runs anywhere; what they show changes no time. Both versions train on one thread, in turns, on
the same batches; times are the lowest processor times of a step and of an epoch (behind the first,
with its held-out pictures and its checkpoint), which other work on the machine disturbs least. The
log-likelihoods stand beside the times: the versions must agree up to rounding. Then an epoch of
each is profiled: the share of every part, forward and backward together. Writes
benchmarks/results/training.json.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.evaluation.machine import machine
from normalis.features.store import FeatureStore
from normalis.images.write import write_text

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
RUN = Path(__file__).with_name("training_run.py")
FIRST = "eb278e60d56bc801e79400a0013d566cfb745f6a"  # the first commit in which VQ-Flow trained

SHAPES = ((24, 40, 40), (40, 20, 20), (112, 10, 10), (320, 10, 10))
SIZE = (320, 320)
PRODUCTS = 5


def main() -> None:
    """Make features, run both versions in turns, compare, write."""
    parser = argparse.ArgumentParser(description="Training speed, before and after.")
    parser.add_argument("--pictures", type=int, default=96)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _make_features(folder / "store", options.pictures)
        _unpack_first(folder / "first")
        sources = {"first": folder / "first" / "src", "present": ROOT / "src"}
        runs: dict[str, list[dict[str, Any]]] = {version: [] for version in sources}
        for i in range(options.rounds):
            for version, source in sources.items():
                words = ["--epochs", str(options.epochs), *(["--profile"] if i == 0 else [])]
                runs[version].append(_run(source, folder / "store", *words))
    versions = {version: _best(given) for version, given in runs.items()}
    first, present = versions["first"], versions["present"]
    result = {
        "machine": machine(),
        "first_version": FIRST,
        "pictures": options.pictures,
        "batch": 16,
        "times_faster_a_step": first["seconds_a_step"] / present["seconds_a_step"],
        "times_faster_an_epoch": first["seconds_an_epoch"] / present["seconds_an_epoch"],
        **versions,
    }
    text = json.dumps(result, indent=1) + "\n"
    write_text(RESULTS / "training.json", text)
    print(text)


def _best(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The lowest times of several runs, and what they all have in common."""
    shares = runs[0]["shares"]
    return {
        "seconds_a_step": min(run["seconds_a_step"] for run in runs),
        "seconds_an_epoch": min(run["seconds_an_epoch"] for run in runs),
        "nll": runs[0]["nll"],
        "held_out": runs[0]["held_out"],
        "shares_of_an_epoch": shares,
    }


def _run(source: Path, store: Path, *words: str) -> dict[str, Any]:
    """One training by the code in this folder."""
    run = subprocess.run(
        [sys.executable, str(RUN), str(store), *words],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"},
    )
    return json.loads(run.stdout)


def _unpack_first(folder: Path) -> None:
    """The first version's files."""
    command = ["git", "-C", str(ROOT), "archive", FIRST, "src"]
    archive = subprocess.run(command, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")


def _make_features(folder: Path, pictures: int) -> None:
    """A store of features, and beside it what a training must know of them.

    A product has a mean at every place; a picture adds what it shares over a neighbourhood, as
    features do, and what it does not.
    """
    chance = np.random.default_rng(0)
    store = FeatureStore(folder, SHAPES)
    means = [chance.standard_normal((PRODUCTS, *shape), np.float32) for shape in SHAPES]
    digests = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(pictures)]
    for i, digest in enumerate(digests):
        store.write(digest, [_level(mean[i % PRODUCTS], chance) for mean in means])
    made = {
        "shapes": SHAPES,
        "size": SIZE,
        "concepts": PRODUCTS,
        "hidden": VQFlowSettings().hidden,
        "digests": digests,
        "train": pictures - pictures // 10,
    }
    write_text(folder / "made.json", json.dumps(made))


def _level(mean: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """One map of one picture."""
    c, h, w = mean.shape
    coarse = chance.standard_normal((c, h // 5, w // 5), np.float32).repeat(5, 1).repeat(5, 2)
    return mean + 0.5 * coarse + 0.5 * chance.standard_normal((c, h, w), np.float32)


if __name__ == "__main__":
    main()
