"""One model for all products, against the published figures.

    python benchmarks/unified.py DATA --name embedded --apart tire
    python benchmarks/unified.py DATA --name dinov2 --set backbone.weights=FILE ...

A suite of one data set (layout of MVTec AD) and of the presets, each fitted once per seed on the
good pictures of every category together, without labels, and evaluated by the honest and by the
published scores. Runs are kept in a folder, so that the same command goes on after an interruption.
The tables go to benchmarks/results/unified-NAME.md; to unified-NAME.json go all figures, times, the
memory, the machine, and which concepts the pictures of each category lie in.
"""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from normalis.api.benchmark import BenchmarkOptions, benchmark
from normalis.cli.observer import observing
from normalis.evaluation.figures import Evaluation
from normalis.evaluation.folder import read_result
from normalis.evaluation.result import Result
from normalis.recipes import parse_assignment
from normalis.report.benchmark import benchmark_markdown
from normalis.report.concepts import agreement, concepts
from normalis.report.verdicts import class_of
from normalis.suites.outcome import Benchmark, Outcome
from normalis.suites.suite import Suite, SuiteData, Variant

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Make every run that was not made before, and write the figures and the tables."""
    options = _options()
    out = options.out or Path(tempfile.gettempdir()) / f"normalis-unified-{options.name}"
    chosen = BenchmarkOptions(
        changes=tuple(map(parse_assignment, options.set)), cache=options.cache, device="cpu"
    )
    with observing() as observer:
        done = benchmark(_suite(options), out, options=chosen, observer=observer)
    if done.not_run:
        raise SystemExit("\n".join(f"{one.run.title}: {one.reason}" for one in done.not_run))
    options.results.mkdir(exist_ok=True)
    path = options.results / f"unified-{options.name}.json"
    path.write_text(json.dumps(_tree(done, out), indent=1) + "\n", encoding="utf-8")
    table = benchmark_markdown(done)
    path.with_suffix(".md").write_text(table, encoding="utf-8")
    print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("--name", default="embedded")
    parser.add_argument("--presets", nargs="+", default=["vqflow", "flow"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE")
    parser.add_argument("--apart", nargs="*", default=[], metavar="CATEGORY")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path, help="folder of the runs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def _suite(options: argparse.Namespace) -> Suite:
    data = options.data.resolve()
    settings = " ".join(option for option in options.set if "weights" not in option)
    return Suite(
        name=f"unified-{options.name}",
        question="One model for all categories, without labels: how well does it do? Settings: "
        f"{settings or 'the presets as they are'}.",
        data=(
            SuiteData(
                name=data.name,
                path=str(data),
                layout="mvtec",
                published=("MVTec AD", "MVTec 3D-AD"),
                apart=tuple(options.apart),
            ),
        ),
        variants=tuple(Variant(title=name, preset=name) for name in options.presets),
        seeds=tuple(options.seeds),
    )


def _tree(done: Benchmark, out: Path) -> dict[str, Any]:
    """Everything but the paths of this machine."""
    return {
        "data": done.suite.data[0].name,
        "apart": done.suite.data[0].apart,
        "machine": done.machine,
        "runs": [_run(one, read_result(out / one.folder)) for one in done.outcomes],
    }


def _run(outcome: Outcome, result: Result) -> dict[str, Any]:
    recipe = {**outcome.recipe, "backbone": {**outcome.recipe["backbone"], "weights": None}}
    return {
        "preset": outcome.run.variant.preset,
        "seed": outcome.run.seed,
        "recipe": recipe,
        "honest": _rows(outcome.honest),
        "paper": _rows(outcome.paper),
        "record": asdict(outcome.record),
        "evaluation_stages": [asdict(stage) for stage in outcome.stages],
        "concepts": _concepts(result),
        "promise": result.model.promise,
        "skipped": len(outcome.skipped),
        "machine": outcome.machine,
    }


def _rows(evaluation: Evaluation) -> dict[str, Any]:
    rows = {name: asdict(figures) for name, figures in evaluation.rows}
    return {**rows, "(mixed)": asdict(evaluation.mixed)}


def _concepts(result: Result) -> dict[str, Any]:
    """The test pictures of each category in each concept, and how pure these are."""
    names = sorted({class_of(picture) for picture in result.pictures})
    found = concepts(result, {name: number for number, name in enumerate(names)})
    return {
        "purity": agreement(found),
        "test_pictures": {
            str(one.number): dict(zip(names, one.counts, strict=True)) for one in found
        },
    }


if __name__ == "__main__":
    main()
