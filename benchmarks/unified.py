"""One model for all products, against the published figures.

    python benchmarks/unified.py DATA --name embedded
    python benchmarks/unified.py DATA --name dinov2 --set backbone.weights=FILE ...

Fits each preset once per seed on the good pictures of every category of DATA (layout of MVTec AD)
without labels, evaluates it by the honest and by the published scores, and writes the figures, the
training log's last line, the times and the machine to benchmarks/results/unified-NAME.json.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from normalis.api import FitOptions, evaluate, fit
from normalis.evaluation import Evaluation, machine
from normalis.recipes import Recipe, parse_assignment, preset, recipe_from

RESULTS = Path(__file__).parent / "results"

# Image and pixel AUROC in per cent, one model for all classes, as their papers give them: VQ-Flow
# (Zhou et al., 2024), and HGAD (Yao et al., ECCV 2024; tire from its MVTec 3D-AD table). Their
# models learned all classes of their data sets, on far larger backbones and pictures.
PUBLISHED = {
    "bottle": {"VQ-Flow": (100.0, 98.4), "HGAD": (100.0, 98.6)},
    "pill": {"VQ-Flow": (98.2, 98.8), "HGAD": (96.6, 98.8)},
    "tire": {"HGAD": (87.6, 98.6)},
    "toothbrush": {"VQ-Flow": (98.2, 98.8), "HGAD": (91.1, 99.0)},
    "transistor": {"VQ-Flow": (100.0, 96.3), "HGAD": (97.7, 91.3)},
}
APART = ("tire",)  # from another data set than the rest: reported, but outside of the mean


class StageTimer:
    """An observer that knows how long each stage took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stage, self._start = "", time.perf_counter()

    def stage(self, name: str, total: int) -> None:
        """Close the stage before."""
        del total
        self.close()
        self._stage = name

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """Nothing."""

    def say(self, sentence: str) -> None:
        """Print it."""
        print(f"  {sentence}")

    def close(self) -> None:
        """End the stage at hand."""
        now = time.perf_counter()
        if self._stage:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._start
        self._start = now


def main() -> None:
    """Run every preset and seed, print the table, write the results."""
    options = _options()
    runs = [
        _run(options.data, _recipe(name, seed, options.set), options.cache)
        for name in options.presets
        for seed in options.seeds
    ]
    result = {"data": options.data.name, "machine": machine(), "runs": runs}
    RESULTS.mkdir(exist_ok=True)
    out = RESULTS / f"unified-{options.name}.json"
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    table = "\n\n".join(_table(runs, name) for name in options.presets)
    out.with_suffix(".md").write_text(f"{_heading(options)}\n\n{table}\n", encoding="utf-8")
    print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("--name", default="embedded")
    parser.add_argument("--presets", nargs="+", default=["vqflow", "flow"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--cache", type=Path)
    return parser.parse_args()


def _recipe(name: str, seed: int, assignments: Sequence[str]) -> Recipe:
    recipe = recipe_from(preset(name), {"training": {"seed": seed}})
    for assignment in assignments:
        recipe = recipe_from(recipe, parse_assignment(assignment))
    return recipe


def _run(data: Path, recipe: Recipe, cache: Path | None) -> dict[str, Any]:
    """Fit and evaluate once."""
    print(f"{recipe.preset}, seed {recipe.training.seed}", flush=True)
    timer = StageTimer()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        options = FitOptions(cache=cache, device="cpu")
        summary = fit(data, model, recipe=recipe, options=options, observer=timer)
        timer.close()
        result = evaluate(model, data, device="cpu", observer=timer)
        timer.close()
    last = min(summary.records, key=lambda record: record.validation or 0.0)
    print(f"  {_line(result.honest)}  {timer.seconds}", flush=True)
    return {
        "preset": recipe.preset,
        "seed": recipe.training.seed,
        "recipe": _without_paths(recipe),
        "honest": _rows(result.honest),
        "paper": _rows(result.paper),
        "concept_pictures": summary.concept_pictures,
        "best_epoch": asdict(last),
        "epochs": len(summary.records),
        "training_seconds": sum(record.seconds for record in summary.records),
        "stage_seconds": timer.seconds,
        "fit_seconds": summary.seconds,
        "promise": summary.promise,
    }


def _without_paths(recipe: Recipe) -> dict[str, Any]:
    tree = recipe.to_tree()
    tree["backbone"]["weights"] = None
    return tree


def _rows(evaluation: Evaluation) -> dict[str, Any]:
    rows = {str(name): asdict(figures) for name, figures in evaluation.rows}
    return {**rows, "(mixed)": asdict(evaluation.mixed)}


def _line(evaluation: Evaluation) -> str:
    return ", ".join(
        f"{name} {100 * (figures.image_auroc or 0):.1f}" for name, figures in evaluation.rows
    )


def _heading(options: argparse.Namespace) -> str:
    settings = " ".join(option for option in options.set if "weights" not in option)
    return (
        f"One model for all categories of `{options.data.name}`, no labels; image / pixel AUROC in "
        f"per cent, mean and standard deviation over seeds {options.seeds}. Honest: best epoch by "
        "held-out normal likelihood, absolute scores; paper: the published scores, relative to "
        "each picture's own maximum, of the same models. Toothbrush, if there, is tested on "
        "every fifth of its training pictures as normal ones; n/a: no masks. Settings: "
        f"{settings or 'the preset as it is'}."
    )


def _table(runs: list[dict[str, Any]], name: str) -> str:
    """A Markdown table of one preset."""
    chosen = [run for run in runs if run["preset"] == name]
    categories = [row for row in chosen[0]["honest"] if row != "(mixed)"]
    lines = [
        f"| {name} | honest | paper score | VQ-Flow | HGAD |",
        "|---|---|---|---|---|",
    ]
    for row in [*categories, "(mixed)"]:
        cells = [_cell([run[kind][row] for run in chosen]) for kind in ("honest", "paper")]
        published = PUBLISHED.get(row, {})
        other = [published.get(method) for method in ("VQ-Flow", "HGAD")]
        shown = [f"{pair[0]:.1f} / {pair[1]:.1f}" if pair else "–" for pair in other]
        lines.append(f"| {row} | {' | '.join([*cells, *shown])} |")
    kept = [row for row in categories if row not in APART]
    means = {"mean of all": categories, f"mean without {', '.join(APART)}": kept}
    for title, rows in means.items():
        if rows == categories and title != "mean of all":
            continue
        cells = [
            _cell([_mean_row(run[kind], rows) for run in chosen]) for kind in ("honest", "paper")
        ]
        lines.append(f"| **{title}** | {' | '.join(cells)} | – | – |")
    return "\n".join(lines)


def _mean_row(rows: dict[str, Any], categories: Sequence[str]) -> dict[str, float | None]:
    """Image AUROC and pixel AUROC, each over the categories that have it."""
    figures: dict[str, float | None] = {}
    for key in ("image_auroc", "pixel_auroc"):
        known = [rows[c][key] for c in categories if rows[c][key] is not None]
        figures[key] = mean(known) if known else None
    return figures


def _cell(rows: Sequence[dict[str, Any]]) -> str:
    return " / ".join(_spread([row[key] for row in rows]) for key in ("image_auroc", "pixel_auroc"))


def _spread(values: Sequence[float | None]) -> str:
    known = [100 * value for value in values if value is not None]
    if not known:
        return "n/a"
    return f"{mean(known):.1f}" + (f" ± {stdev(known):.1f}" if len(known) > 1 else "")


if __name__ == "__main__":
    main()
