"""Does the threshold keep its promise for new parts, where each part has several pictures?

    python benchmarks/groups.py MAGNETIC_TILE --name tiles

MAGNETIC_TILE is the folder of the magnetic tile defects (Huang et al. 2018) in MVTec's layout.
Every tile there was photographed under six exposures one after the other, as the running numbers in
the files' names tell. The good tiles are parted anew: a fifth of the *tiles* is the test, the rest
is learned from, twice: once with each picture for itself, and once with a manifest that says which
tile a picture shows (column `group`). Measured are the false alarms on the tiles never seen, at
several promised rates, and the AUROC, over several such partings; beside them the same for pictures
parted by pictures, as the set usually is: then the good test pictures show tiles that were learned.

Writes benchmarks/results/groups-NAME.json, a row as soon as it is known; rows that are there stay.
"""

import argparse
import csv
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from normalis.api import FitOptions, evaluate, fit
from normalis.cli.observer import observing
from normalis.datasets.layouts import open_dataset
from normalis.datasets.sample import Sample
from normalis.evaluation.machine import machine
from normalis.images.write import write_text
from normalis.presets import preset
from normalis.report.promise import measured

RESULTS = Path(__file__).parent / "results"
RATES = (0.05, 0.1, 0.2)
BREAK = 125  # running numbers further apart belong to different tiles
NUMBER = re.compile(r"num_(\d+)")
FORMS = ("pictures parted by pictures", "each picture for itself", "told the tiles")


def main() -> None:
    """Fit and judge every form on every parting, and write the table."""
    options = _options()
    path = options.results / f"groups-{options.name}.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"] if path.is_file() else []
    samples = open_dataset(options.data).samples
    for seed in options.seeds:
        for form in FORMS:
            if any((row["seed"], row["form"]) == (seed, form) for row in rows):
                continue
            with tempfile.TemporaryDirectory() as name:
                row = _row(samples, Path(name), form=form, seed=seed, options=options)
            rows.append(row)
            print(json.dumps(row), flush=True)
            tree = {"preset": options.preset, "rows": rows, "machine": machine()}
            write_text(path, json.dumps(tree, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("--name", default="tiles")
    parser.add_argument("--preset", default="vqflow")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def _row(
    samples: Sequence[Sample], folder: Path, *, form: str, seed: int, options: argparse.Namespace
) -> dict[str, Any]:
    """One model of one parting, and what it says of the test pictures."""
    tiles = _tiles(samples)
    table = folder / "tiles.csv"
    tested = _tested(samples, tiles, by_picture=form == FORMS[0], seed=seed)
    _write_table(table, samples, tiles=tiles, tested=tested, told=form == FORMS[2])
    recipe = preset(options.preset)
    recipe = replace(recipe, training=replace(recipe.training, seed=seed))
    with observing() as observer:
        given = FitOptions(cache=options.cache, device="cpu")
        summary = fit(table, folder / "model", recipe=recipe, options=given, observer=observer)
        result = evaluate(folder / "model", table, device="cpu", observer=observer)
    return {
        "form": form,
        "seed": seed,
        "learned": summary.pictures.train + summary.pictures.validation,
        "held_out": summary.pictures.calibration,
        "promise": summary.promise,
        "good_test_pictures": int(tested.sum()),
        "good_test_tiles": len(np.unique(tiles[tested])),
        "false_alarms": {m.promised: m.rate for m in measured(result.pictures, RATES)},
        "image_auroc": result.honest.mean.image_auroc,
    }


def _tiles(samples: Sequence[Sample]) -> np.ndarray:
    """Which tile each picture shows: a run of numbers without a break."""
    numbers = np.array([int(found[1]) for s in samples if (found := NUMBER.search(s.name))])
    order = np.argsort(numbers)
    tiles = np.zeros(len(samples), dtype=np.int64)
    tiles[order[1:]] = np.cumsum(np.diff(numbers[order]) > BREAK)
    return tiles


def _tested(
    samples: Sequence[Sample], tiles: np.ndarray, *, by_picture: bool, seed: int
) -> np.ndarray:
    """The good pictures of the test: of a fifth of the tiles, or a fifth of the pictures."""
    good = np.array([not sample.is_defect for sample in samples])
    units = np.arange(len(samples)) if by_picture else tiles
    chosen = np.random.default_rng(seed).permutation(np.unique(units[good]))[::5]
    return good & np.isin(units, chosen)


def _write_table(
    table: Path, samples: Sequence[Sample], *, tiles: np.ndarray, tested: np.ndarray, told: bool
) -> None:
    """Copies of the pictures, and a manifest of them."""
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "split", "defect", "mask", *(["group"] if told else [])])
        for row, sample in enumerate(samples):
            copy = _copied(sample.path, table.parent / f"{row:05}{sample.path.suffix}")
            mask = ""
            if sample.mask is not None:
                mask = _copied(sample.mask, table.parent / f"{row:05}-mask{sample.mask.suffix}")
            split = "test" if sample.is_defect or tested[row] else "train"
            group = [f"tile {tiles[row]}"] if told else []
            writer.writerow([copy, split, sample.defect, mask, *group])


def _copied(path: Path, to: Path) -> str:
    shutil.copyfile(path, to)
    return to.name


if __name__ == "__main__":
    main()
