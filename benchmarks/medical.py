"""LSR against the reconstruction errors of a VAE and of its own VQ-VAE, on brain scans.

    python benchmarks/medical.py DATA --seeds 0 1 2

DATA has the layout of MVTec AD. Healthy training pictures alone are learned from; every test
picture is scored once by the last model, and nothing is chosen on them; those that are copies of
training pictures, byte by byte, are left out. The VQ-VAE is the one inside LSR: the preset `vqvae`
learns the same one from the same seed. Beside them stand three scores that learn nothing: how far a
picture's size, and its brightness and contrast, lie from those of the training pictures; and how
little contrast it has. Where they do well, the diseased can be told by how they were scanned.

Diseases have no masks there. So that the maps are measured, too, discs of foreign brightness, noise
or displaced tissue are planted in healthy test pictures, seeded, and every pixel is ranked.

Fits and their figures are kept in a folder, and the same command goes on after an interruption.
Figures go to benchmarks/results/medical.json, the table to medical.md; those there of presets that
are not asked for stay, and have the recipe that they were measured with beside them.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from torch import Tensor

from normalis.api.fit import fit
from normalis.api.load import describe, load
from normalis.api.options import FitOptions
from normalis.bundle.sealed import file_digest
from normalis.cli.observer import observing
from normalis.datasets.layouts import open_dataset
from normalis.datasets.sample import Sample
from normalis.detectors.lsr.detector import LSR
from normalis.evaluation.machine import machine
from normalis.images.decode import Picture, read_picture
from normalis.images.prepare import prepare
from normalis.metrics.ranking import auroc, average_precision
from normalis.presets import preset
from normalis.recipes import Recipe, parse_assignment, recipe_from
from normalis.scoring import Scorer
from normalis.volumes.planting import Kind, plant_volume

RESULTS = Path(__file__).parent / "results"

KINDS: tuple[Kind, ...] = ("bright", "dark", "noise", "shifted")
PLANTED, BATCH = 100, 16

Scores = np.ndarray
"""`n`, one number for each test picture, higher is more anomalous."""


def main() -> None:
    """Fit what was not fitted before, score, and write figures and table."""
    options = _options()
    data = open_dataset(options.data, layout="mvtec")
    known = {file_digest(sample.path) for sample in data.train_good}
    test = [sample for sample in data.test if file_digest(sample.path) not in known]
    runs = [run for seed in options.seeds for run in _runs(options, seed, test)]
    path = options.results / "medical.json"
    runs += _others(path, {run["method"] for run in runs})
    for name, measure in (("size", _size), ("brightness", _light)):
        runs.append(_figures(name, None, _far_from(data.train_good, test, measure), test))
    flat = np.array([-_light(sample)[1] for sample in test])
    runs.append(_figures("low contrast", None, flat, test))
    tree = {
        "data": options.data.name,
        "copies_left_out": len(data.test) - len(test),
        "machine": machine(),
        "runs": runs,
    }
    options.results.mkdir(exist_ok=True)
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
    table = _table(runs)
    path.with_suffix(".md").write_text(table, encoding="utf-8")
    print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--presets", nargs="+", default=["lsr", "vae"])
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path, help="folder of the fits")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.out = options.out or Path(tempfile.gettempdir()) / "normalis-medical"
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def _runs(options: argparse.Namespace, seed: int, test: Sequence[Sample]) -> list[dict[str, Any]]:
    """The three methods with one seed, as measured now or before."""
    runs: list[dict[str, Any]] = []
    for name in options.presets:
        kept = options.out / f"{name}-{seed}-runs.json"
        if not kept.is_file():
            recipe = _recipe(name, seed, options.set)
            kept.write_text(json.dumps(_measured(options, recipe, test)), encoding="utf-8")
        runs += json.loads(kept.read_text(encoding="utf-8"))
    return runs


def _measured(
    options: argparse.Namespace, recipe: Recipe, test: Sequence[Sample]
) -> list[dict[str, Any]]:
    """The figures of one model, and of the autoencoder alone where there is more to it."""
    scorer, notes = _fitted(options, recipe)
    name, seed = recipe.preset, recipe.training.seed
    runs = [{**_run(name, seed, scorer, test), **notes}]
    if name == "lsr":
        assert isinstance(scorer.detector, LSR)
        scorer.detector.prior = None
        runs.append(_run("vqvae", seed, scorer, test))
    return runs


def _others(path: Path, measured: set[str]) -> list[dict[str, Any]]:
    """Runs of other methods that were measured before."""
    if not path.is_file():
        return []
    known = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return [run for run in known if run["seed"] is not None and run["method"] not in measured]


def _recipe(name: str, seed: int, settings: Sequence[str]) -> Recipe:
    recipe = recipe_from(preset(name), {"training": {"seed": seed}})
    for text in settings:
        recipe = recipe_from(recipe, parse_assignment(text))
    return recipe


def _fitted(options: argparse.Namespace, recipe: Recipe) -> tuple[Scorer, dict[str, Any]]:
    """The model, made now or before, and what is to be known of it."""
    out = options.out / f"{recipe.preset}-{recipe.training.seed}"
    log = out.with_suffix(".json")
    if not log.is_file():
        with observing() as observer:
            settings = FitOptions(cache=options.cache, resume=True, device="cpu")
            done = fit(options.data, out, recipe=recipe, options=settings, observer=observer)
        log.write_text(json.dumps([asdict(record) for record in done.records]), encoding="utf-8")
    records = json.loads(log.read_text(encoding="utf-8"))
    notes = {
        "recipe": describe(out).recipe.to_tree(),
        "training_seconds": round(sum(record["seconds"] for record in records)),
        "training": records,
    }
    return load(out, device="cpu"), notes


def _run(method: str, seed: int, scorer: Scorer, test: Sequence[Sample]) -> dict[str, Any]:
    """The figures of one model, on real and on planted pictures."""
    with torch.inference_mode():
        scores = _scores(scorer, test)
        return {**_figures(method, seed, scores, test), "planted": _planted(scorer, scores, test)}


def _planted(scorer: Scorer, scores: Scores, test: Sequence[Sample]) -> dict[str, Any]:
    """Pixels of the discs against all others, and planted pictures against the same ones clean."""
    healthy = [row for row, sample in enumerate(test) if not sample.is_defect]
    rows = healthy[:: max(1, len(healthy) // PLANTED)][:PLANTED]
    made = [_plant(test[row].path, number) for number, row in enumerate(rows)]
    answers = list(scorer.score_pictures([picture for picture, _ in made]))
    each = [answer.map.ravel() for answer in answers]
    masks = [mask.ravel() for _, mask in made]
    values, marked = np.concatenate(each), np.concatenate(masks)
    clean, foreign = scores[rows], np.array([answer.score for answer in answers])
    return {
        "pictures": len(rows),
        "pixel_auroc": auroc(values, marked),
        "pixel_ap": average_precision(values, marked),
        "pixel_ap_by_kind": {
            kind: average_precision(
                np.concatenate(each[number :: len(KINDS)]),
                np.concatenate(masks[number :: len(KINDS)]),
            )
            for number, kind in enumerate(KINDS)
        },
        "marked_share": float(marked.mean()),
        "image_auroc": auroc(np.concatenate([clean, foreign]), np.repeat([False, True], len(rows))),
    }


def _plant(path: Path, number: int) -> tuple[Picture, np.ndarray]:
    """A healthy picture with one disc, and where it is."""
    grey = read_picture(path).pixels[:, :, :1].astype(np.float32)
    tissue = np.where(grey > 0.1 * grey.max(), grey, 0).astype(np.float32)
    radius = 0.04 * grey.shape[0] * (1 + number % 3)
    planted = plant_volume(tissue, KINDS[number % len(KINDS)], radius=radius, seed=number)
    pixels = np.where(planted.mask, planted.values, grey).clip(0, 255).astype(np.uint8)
    return Picture(np.repeat(pixels, 3, axis=2), "L"), planted.mask[:, :, 0]


def _scores(scorer: Scorer, test: Sequence[Sample]) -> Scores:
    """Image scores alone."""
    assert isinstance(scorer.detector, LSR)
    found: list[Tensor] = []
    for start in range(0, len(test), BATCH):
        pictures = [read_picture(sample.path) for sample in test[start : start + BATCH]]
        pixels = np.stack([prepare(picture, scorer.preparation).pixels for picture in pictures])
        maps = scorer.features(pixels)
        found.append(scorer.detector.image_scores(maps))
    return torch.cat(found).double().numpy()


def _far_from(
    train: Sequence[Sample],
    test: Sequence[Sample],
    measure: Callable[[Sample], tuple[float, float]],
) -> Scores:
    """Mahalanobis distance of two simple numbers from those of the training pictures."""
    usual = np.array([measure(sample) for sample in train])
    inverse = np.linalg.inv(np.cov(usual.T) + 1e-9 * np.eye(2))
    offset = np.array([measure(sample) for sample in test]) - usual.mean(0)
    return np.einsum("ni,ij,nj->n", offset, inverse, offset)


def _size(sample: Sample) -> tuple[float, float]:
    height, width = read_picture(sample.path).pixels.shape[:2]
    return float(height), float(width)


def _light(sample: Sample) -> tuple[float, float]:
    pixels = read_picture(sample.path).pixels
    return float(pixels.mean()), float(pixels.std())


def _figures(
    method: str, seed: int | None, scores: Scores, test: Sequence[Sample]
) -> dict[str, Any]:
    """The figures over all real test pictures, and for each diagnosis."""
    diseased = np.array([sample.is_defect for sample in test])
    kinds = np.array([sample.defect for sample in test])
    each = {
        kind: auroc(scores[~diseased | (kinds == kind)], diseased[~diseased | (kinds == kind)])
        for kind in sorted({str(kind) for kind in kinds[diseased]})
    }
    return {
        "method": method,
        "seed": seed,
        "auroc": auroc(scores, diseased),
        "ap": average_precision(scores, diseased),
        "auroc_by_diagnosis": each,
        "healthy": int((~diseased).sum()),
        "diseased": int(diseased.sum()),
        "healthy_quartiles": np.quantile(scores[~diseased], [0.25, 0.5, 0.75]).tolist(),
        "diseased_quartiles": np.quantile(scores[diseased], [0.25, 0.5, 0.75]).tolist(),
    }


def _table(runs: list[dict[str, Any]]) -> str:
    """Markdown: one row a method, the mean over seeds and how far they spread."""
    kinds = list(runs[0]["auroc_by_diagnosis"])
    head = ["method", "seeds", "AUROC", "AP", *kinds]
    head += ["planted: image AUROC", "pixel AUROC", "pixel AP", *(f"of {kind}" for kind in KINDS)]
    rows = [head, ["---"] * len(head)]
    for method in dict.fromkeys(run["method"] for run in runs):
        own = [run for run in runs if run["method"] == method]
        columns = [[run["auroc"] for run in own], [run["ap"] for run in own]]
        columns += [[run["auroc_by_diagnosis"][kind] for run in own] for kind in kinds]
        for name in ("image_auroc", "pixel_auroc", "pixel_ap"):
            columns.append([run["planted"][name] for run in own if "planted" in run])
        for kind in KINDS:
            found = [run["planted"]["pixel_ap_by_kind"] for run in own if "planted" in run]
            columns.append([each[kind] for each in found])
        rows.append([method, str(len(own)), *map(_percent, columns)])
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    counts = f"{runs[0]['healthy']} healthy and {runs[0]['diseased']} diseased test pictures"
    return f"# {counts}, per cent\n\n{text}\n"


def _percent(values: list[float]) -> str:
    if not values:
        return ""
    spread = f" ± {100 * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * mean(values):.1f}{spread}"


if __name__ == "__main__":
    main()
