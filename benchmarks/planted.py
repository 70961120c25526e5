"""Which form of the image score? Asked of planted defects, never of a test set.

    python benchmarks/planted.py DATA --name embedded [--preset hgad] [--set NAME=VALUE ...]

Fits a model on the good pictures of DATA, plants defects of many kinds and sizes on good pictures
that took no part in the training, and measures for every smoothing, share and kind of image score,
and for every weight of a flow's map beside a memory's, the AUROC of planted against clean pictures:
per product, their mean, and all mixed. A model whose memories count distances by code is asked
without that, too. No picture of a test set is read.
Writes benchmarks/results/planted-NAME.json.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, islice
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from normalis.api import FitOptions, fit, load
from normalis.bundle.load import picture_uses
from normalis.bundle.sealed import file_digest
from normalis.datasets.layouts import open_dataset
from normalis.detectors.contract import ScoresInParts
from normalis.detectors.records import top_mean
from normalis.evaluation.machine import machine
from normalis.images.decode import Picture, read_picture
from normalis.images.ground import look_coarsely
from normalis.images.planting import Defect, plant
from normalis.images.prepare import prepare
from normalis.metrics.ranking import auroc
from normalis.nn.blur import BlurredEnlargement
from normalis.presets import preset
from normalis.quantize.memory import ConceptMemory
from normalis.recipes import parse_assignment, recipe_from
from normalis.scoring import Scorer
from normalis.sensitivity.plan import Plan

RESULTS = Path(__file__).parent / "results"
SMOOTHINGS = (0.0, 2.0, 4.0, 6.0, 8.0, 12.0)
SHARES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
PLAN = Plan(contrasts=(0.5, 1.0))
SIZES = (0.02, 0.04, 0.08)  # of the shorter side
BATCH = 8

Form = tuple[float, float, str, float, bool]  # smoothing, share, kind, weight of flows, by code
Scores = dict[Form, list[float]]


def main() -> None:
    """Fit, plant, and write the table."""
    options = _options()
    recipe = preset(options.preset)
    for assignment in options.set:
        recipe = recipe_from(recipe, parse_assignment(assignment))
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or Path(folder) / "model"
        if options.model is None:
            fit(options.data, model, recipe=recipe, options=FitOptions(cache=options.cache))
        products = _held_out(options.data, model)
        scorer = load(model)
        clean: dict[str, Scores] = {}
        planted: dict[str, Scores] = {}
        for product, paths in products.items():
            pictures = [read_picture(path) for path in paths]
            clean[product] = _scores(scorer, iter(pictures), options)
            planted[product] = _scores(scorer, _planted(pictures[: options.planted_on]), options)
            print(product, len(pictures), flush=True)
    names = ("smoothing", "top_share", "image_score", "flow_weight", "memory_by_code")
    table: list[dict[str, Any]] = [
        {**dict(zip(names, form, strict=True)), **_figures(clean, planted, form)}
        for form in next(iter(clean.values()))
    ]
    best = max(table, key=lambda row: row["mean"])
    result = {
        "data": options.data.name,
        "preset": options.preset,
        "set": [text for text in options.set if "weights" not in text],
        "machine": machine(),
        "planted_on": options.planted_on,
        "clean_pictures": {name: len(paths) for name, paths in products.items()},
        "best_mean": best,
        "table": table,
    }
    RESULTS.mkdir(exist_ok=True)
    out = RESULTS / f"planted-{options.name}.json"
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for row in sorted(table, key=lambda row: -row["mean"])[:8]:
        print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("--name", default="embedded")
    parser.add_argument("--preset", default="vqflow")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE")
    parser.add_argument("--cache", type=Path)
    parser.add_argument(
        "--model", type=Path, help="of an earlier fit on DATA, in place of a new one"
    )
    parser.add_argument("--smoothings", nargs="+", type=float, default=SMOOTHINGS)
    parser.add_argument("--flow-weights", nargs="+", type=float, default=[1.0])
    parser.add_argument("--planted-on", type=int, default=10, help="pictures of each product")
    return parser.parse_args()


def _held_out(data: Path, model: Path) -> dict[str, list[Path]]:
    """The good pictures of each product that trained nothing."""
    uses = picture_uses(model)
    products: dict[str, list[Path]] = defaultdict(list)
    for sample in open_dataset(data).train_good:
        if uses.get(file_digest(sample.path)) in ("validation", "calibration"):
            products[sample.category or "all"].append(sample.path)
    return products


def _readings(detector: nn.Module, parts: list[Tensor]) -> dict[bool, list[Tensor]]:
    """What is judged, by whether memories count by code: behind the parts stand theirs without."""
    extra = sum(memory.by_code for memory in _memories(detector))
    count = len(parts) - extra
    plain = [*parts[: count - extra], *parts[count:]]
    return {True: parts[:count], False: plain} if extra else {False: parts}


def _memories(detector: nn.Module) -> list[ConceptMemory]:
    return [part for part in detector.modules() if isinstance(part, ConceptMemory)]


def _planted(pictures: Sequence[Picture]) -> Iterator[Picture]:
    """Every picture with every defect, one at a time; a seed each."""
    for number, picture in enumerate(pictures):
        ground, side = look_coarsely(picture), min(picture.width, picture.height)
        defects = [Defect(k, share * side, c) for k, c in PLAN.curves for share in SIZES]
        for index, defect in enumerate(defects):
            generator = np.random.default_rng((number, index))
            yield plant(picture, defect, ground=ground, generator=generator).picture


@torch.inference_mode()
def _scores(scorer: Scorer, pictures: Iterator[Picture], options: argparse.Namespace) -> Scores:
    """The image scores in every form."""
    detector = scorer.detector
    if not isinstance(detector, ScoresInParts):
        raise SystemExit("This model's map has no parts; fit a preset of vqflow, hgad or flow.")
    size = (scorer.preparation.height, scorer.preparation.width)
    found: Scores = defaultdict(list)
    for maps in _maps(scorer, pictures):
        parts, _ = detector.parts(maps)
        for by_code, judged in _readings(scorer.detector, parts).items():
            for smoothing in options.smoothings:
                smooth = [_enlargement((*x.shape[1:],), size, smoothing)(x) for x in judged]
                for weight in options.flow_weights:
                    flows = len(judged) - len(_memories(scorer.detector))
                    weights = [weight] * flows + [1.0] * (len(judged) - flows)
                    for share, kind, tops in _tops(smooth, torch.tensor(weights)):
                        found[(smoothing, share, kind, weight, by_code)] += tops.tolist()
    return found


def _tops(
    maps: list[Tensor], weights: Float[Tensor, " parts"]
) -> Iterator[tuple[float, str, Tensor]]:
    """The image scores of standardised maps for every share, from the mean map and by level."""
    every, weights = torch.stack(maps), weights / weights.sum()
    mean_map = torch.einsum("p,pbhw->bhw", weights, every)
    for share in SHARES:
        yield share, "map", top_mean(mean_map, share)
        yield share, "levels", weights @ torch.stack([top_mean(part, share) for part in maps])


@cache
def _enlargement(
    grid: tuple[int, int], size: tuple[int, int], smoothing: float
) -> BlurredEnlargement:
    """What brings maps of a grid to the pictures' size."""
    return BlurredEnlargement(grid, size=size, sigma=smoothing)


def _maps(scorer: Scorer, pictures: Iterator[Picture]) -> Iterator[list[Tensor]]:
    """The features of the pictures, a batch at a time."""
    while batch := [prepare(p, scorer.preparation).pixels for p in islice(pictures, BATCH)]:
        yield scorer.features(np.stack(batch))


def _figures(clean: dict[str, Scores], planted: dict[str, Scores], key: Form) -> dict[str, float]:
    """AUROC of planted against clean pictures."""
    rows = {name: _auroc(clean[name][key], planted[name][key]) for name in clean}
    good, bad = (
        list(chain.from_iterable(part[name][key] for name in clean)) for part in (clean, planted)
    )
    return {**rows, "mean": mean(rows.values()), "mixed": _auroc(good, bad)}


def _auroc(clean: list[float], planted: list[float]) -> float:
    truth = np.arange(len(clean) + len(planted)) >= len(clean)
    figure = auroc(np.array([*clean, *planted]), truth)
    assert figure is not None
    return figure


if __name__ == "__main__":
    main()
