"""Volumes: the MOOD challenge's toy set, or anomalies planted in healthy volumes of any source.

    python benchmarks/mood.py toy DATA/brain
    python benchmarks/mood.py planted VOLUMES

`toy` learns from the task's healthy volumes (`brain_train`) and scores its labelled ones; the data
need a registration with the challenge. `planted` needs healthy volumes alone, NIfTI or DICOM: every
fifth is kept from learning and scored twice, as it is and with a sphere or patch of foreign
intensity or texture, as the challenge's toy set is made; kind, size and place come from the
volume's number. Nothing is chosen on what is scored.

Voxels of all scored volumes are ranked together, and volumes by their scores. Figures go to
benchmarks/results/mood-TASK.json, the table with the published figures beside it to .md. Fits are
kept in a folder, and the same command goes on after an interruption.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from jaxtyping import Bool

from normalis.api.fit import fit
from normalis.api.load import load
from normalis.api.options import FitOptions
from normalis.api.volumes import score_volume, write_slices
from normalis.cli.observer import observing
from normalis.evaluation.machine import machine
from normalis.metrics.counts import BINS, ScoreCounts
from normalis.presets import preset
from normalis.recipes import Recipe, parse_assignment, recipe_from
from normalis.scoring import Scorer
from normalis.volumes import (
    Form,
    Kind,
    Tissue,
    Volume,
    list_volumes,
    open_mood,
    plant_volume,
    read_mask_like,
    read_volume,
)

RESULTS = Path(__file__).parent / "results"
EVERY = 5  # every so many-th healthy volume is kept from learning
KINDS: tuple[Kind, ...] = ("bright", "dark", "noise", "shifted")
FORMS: tuple[Form, ...] = ("sphere", "patch")
PUBLISHED = ("LSR, published (MOOD brain toy set)", "", "79 to 81", "99", "76 to 79", "97", "92")


@dataclass(frozen=True)
class Case:
    """A volume to score, and where it is anomalous."""

    volume: Volume
    mask: Bool[np.ndarray, "x y z"]
    is_anomalous: bool


def main() -> None:
    """Fit what was not fitted before, score, and write figures and table."""
    options = _options()
    out: Path = options.out or Path(tempfile.gettempdir()) / f"normalis-mood-{options.task}"
    slices = out / "slices"
    if not (slices / "done").is_file():
        _write_all(_training(options), slices)
    runs: list[dict[str, Any]] = []
    for seed in options.seeds:
        for name in options.presets:
            recipe = recipe_from(preset(name), {"training": {"seed": seed}})
            for text in options.set:
                recipe = recipe_from(recipe, parse_assignment(text))
            scorer = _fitted(recipe, slices, out / f"{name}-{seed}", cache=options.cache)
            runs.append({"method": name, "seed": seed, **_figures(scorer, _cases(options))})
    tree = {"task": options.task, "machine": machine(), "settings": options.set, "runs": runs}
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / f"mood-{options.task}.json"
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
    table = _table(runs)
    path.with_suffix(".md").write_text(table, encoding="utf-8")
    print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("task", choices=("toy", "planted"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--presets", nargs="+", default=["lsr", "vqvae", "vae"])
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path, help="folder of the slices and fits")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def _training(options: argparse.Namespace) -> tuple[Path, ...]:
    """The volumes to learn from."""
    if options.task == "toy":
        return open_mood(options.data).train
    paths = list_volumes(options.data)
    return tuple(path for number, path in enumerate(paths) if number % EVERY)


def _write_all(paths: tuple[Path, ...], slices: Path) -> None:
    with observing() as observer:
        observer.stage("writing slices", len(paths))
        for number, path in enumerate(paths):
            write_slices(read_volume(path), slices / f"{number:04}")
            observer.advance()
    (slices / "done").touch()


def _fitted(recipe: Recipe, slices: Path, out: Path, *, cache: Path | None) -> Scorer:
    """The model, made now or before."""
    if not (out / "manifest.json").is_file():
        options = FitOptions(cache=cache, resume=True, device="cpu")
        with observing() as observer:
            fit(slices, out, recipe=recipe, options=options, observer=observer)
    return load(out, device="cpu")


def _cases(options: argparse.Namespace) -> Iterator[Case]:
    """The volumes to score, one at a time."""
    if options.task == "toy":
        for case in open_mood(options.data).toy:
            volume = read_volume(case.path)
            shape = volume.values.shape
            mask = np.zeros(shape, bool) if case.mask is None else read_mask_like(volume, case.mask)
            yield Case(volume, mask, case.is_anomalous)
        return
    for number, path in enumerate(list_volumes(options.data)[::EVERY]):
        volume = read_volume(path)
        yield Case(volume, np.zeros(volume.values.shape, bool), is_anomalous=False)
        yield _planted(volume, number)


def _planted(volume: Volume, number: int) -> Case:
    """A healthy volume with one anomaly, in the scanner's own units."""
    tissue = Tissue.of(volume.values)
    shown = np.where(tissue.shows(volume.values), volume.values, 0).astype(np.float32)
    planted = plant_volume(
        shown,
        KINDS[number % len(KINDS)],
        radius=min(shown.shape) * (0.06 + 0.04 * (number % 3)),
        seed=number,
        form=FORMS[number // len(KINDS) % len(FORMS)],
    )
    values = np.where(planted.mask, planted.values, volume.values)
    return Case(replace(volume, values=values), planted.mask, is_anomalous=True)


def _figures(scorer: Scorer, cases: Iterator[Case]) -> dict[str, Any]:
    """Of all voxels ranked together, and of the volumes."""
    voxels, volumes = ScoreCounts(bins=BINS), ScoreCounts()
    for case in cases:
        answer = score_volume(scorer, case.volume)
        voxels.add(answer.map.ravel(), case.mask.ravel())
        volumes.add(np.array([answer.score]), np.array([case.is_anomalous]))
    pixel, sample = voxels.curve(), volumes.curve()
    best = pixel.f1_max()
    return {
        "volumes": volumes.normals + volumes.anomalous,
        "voxel_ap": pixel.average_precision(),
        "voxel_auroc": pixel.area(),
        "dice": best and best.value,
        "sample_ap": sample.average_precision(),
        "sample_auroc": sample.area(),
    }


def _table(runs: list[dict[str, Any]]) -> str:
    """Markdown: one row a method, the mean over seeds and how far they spread."""
    names = ("voxel_ap", "voxel_auroc", "dice", "sample_ap", "sample_auroc")
    head = ["method", "seeds", "voxel AP", "voxel AUROC", "Dice", "sample AP", "sample AUROC"]
    rows = [head, ["---"] * len(head)]
    for method in dict.fromkeys(run["method"] for run in runs):
        own = [run for run in runs if run["method"] == method]
        rows.append([method, str(len(own)), *(_percent([r[name] for r in own]) for name in names)])
    rows.append(list(PUBLISHED))
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"# {runs[0]['volumes']} volumes, per cent\n\n{text}\n"


def _percent(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "n/a"
    spread = f" ± {100 * stdev(known):.1f}" if len(known) > 1 else ""
    return f"{100 * mean(known):.1f}{spread}"


if __name__ == "__main__":
    main()
