"""One model for several data sets together, beside one model for each.

    python benchmarks/union.py DATA DATA ... --name real --preset hgad --told --alone NAME ...

The good pictures of all data sets are learned as one, without labels and, if asked, also told their
categories, and the test pictures of each are judged; classes keep the name of their data set, so
that none collide. Each model is made in a
process of its own, whose memory is measured. Runs are kept in a folder, so that the same command
goes on after an interruption. Tables go to benchmarks/results/union-NAME.md; to union-NAME.json
all figures, times, the memory and the machine.
"""

import argparse
import hashlib
import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from normalis.api.apart import RECORD, RESULT, Job, run_apart
from normalis.cli.observer import observing
from normalis.datasets.union import set_name
from normalis.evaluation.folder import read_result
from normalis.evaluation.result import Result
from normalis.presets import preset
from normalis.recipes import Recipe, parse_assignment, recipe_from
from normalis.report.concepts import agreement, concepts
from normalis.report.tables import as_markdown, figure_table, markdown_text
from normalis.report.verdicts import class_of
from normalis.suites.outcome import RunRecord

RESULTS = Path(__file__).parent / "results"
NOTHING = "n/a"
TOLD = "told"  # the name of the model that was told its categories


def main() -> None:
    """Make every model that was not made before, and write the figures and the tables."""
    options = _options()
    recipe = preset(options.preset)
    for assignment in options.set:
        recipe = recipe_from(recipe, parse_assignment(assignment))
    out = options.out or Path(tempfile.gettempdir()) / f"normalis-union-{options.name}"
    out.mkdir(parents=True, exist_ok=True)
    asked = {"together": (options.data, recipe)}
    if options.told:
        told = recipe_from(recipe, {"hgad": {"labels": "categories"}})
        asked[TOLD] = (options.data, told)
    asked |= {set_name(d): ([d], recipe) for d in options.data if set_name(d) in options.alone}
    made = {
        name: _made(name, data, recipe=form, out=out, cache=options.cache)
        for name, (data, form) in asked.items()
    }
    path = options.results / f"union-{options.name}.json"
    tree = {"preset": options.preset, "settings": options.set, "seed": recipe.training.seed}
    tree["models"] = {name: _tree(*one) for name, one in made.items()}
    path.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
    title = f"# Union `{options.name}`, preset `{options.preset}`"
    text = "\n\n".join([title, _beside(made), *_texts(made)])
    path.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    print(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--name", default="real")
    parser.add_argument("--preset", default="hgad")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE")
    parser.add_argument("--told", action="store_true", help="hgad: also with its categories told")
    parser.add_argument("--alone", nargs="*", default=[], metavar="NAME", help="also by itself")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path, help="folder of the runs")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def _made(
    name: str, data: list[Path], *, recipe: Recipe, out: Path, cache: Path | None
) -> tuple[RunRecord, Result]:
    """The record and the result of a model, which may have been made before."""
    key = hashlib.sha256(repr((recipe, data)).encode()).hexdigest()
    folder = out / f"{name}-{key[:16]}"
    if not folder.exists():
        job = Job(
            key=key,
            folder=folder,
            data=data,
            layout="auto",
            recipe=recipe,
            cache=cache,
            device="cpu",
        )
        with observing() as observer:
            reason = run_apart(job, observer=observer)
        if reason is not None:
            raise SystemExit(f"{name}: {reason}")
    record = TypeAdapter(RunRecord).validate_json((folder / RECORD).read_bytes())
    return record, read_result(folder / RESULT)


def _tree(record: RunRecord, result: Result) -> dict[str, Any]:
    """Everything but the paths of this machine."""
    honest = result.honest
    rows = {**dict(honest.rows), "(mean)": honest.mean, "(mixed)": honest.mixed}
    return {
        "data": result.data,
        "honest": {name: asdict(figures) for name, figures in rows.items()},
        "record": asdict(record),
        "evaluation_stages": [asdict(stage) for stage in result.stages],
        "purity": _purity(result),
        "machine": result.machine,
    }


def _beside(made: dict[str, tuple[RunRecord, Result]]) -> str:
    """The honest figures of all models in one table."""
    rows: dict[str, list[str]] = {}
    for number, (_, result) in enumerate(made.values()):
        honest = result.honest
        for name, f in (*honest.rows, ("mean", honest.mean), ("all mixed", honest.mixed)):
            row = rows.setdefault(name, [NOTHING] * len(made))
            row[number] = " / ".join(map(_per_cent, (f.image_auroc, f.pixel_auroc, f.aupro)))
    lines = [
        "Image AUROC / pixel AUROC / AUPRO of the honest score, in per cent.",
        "",
        "| class | " + " | ".join(map(markdown_text, made)) + " |",
        "| :-- |" + " --: |" * len(made),
        *(f"| {markdown_text(name)} | {' | '.join(row)} |" for name, row in rows.items()),
    ]
    return "\n".join(lines)


def _per_cent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.1f}"


def _texts(made: dict[str, tuple[RunRecord, Result]]) -> list[str]:
    parts: list[str] = []
    for name, (record, result) in made.items():
        fit, learned = record.fit, sum(record.fit.concept_pictures)
        purity = _purity(result)
        parts += [
            f"## {name}: {result.data}",
            f"{learned:,} pictures trained in {len(fit.concept_pictures)} classes "
            f"{'told' if name == TOLD else 'found'}; fit "
            f"{fit.seconds:.0f} s, evaluation of {len(result.pictures):,} pictures "
            f"{record.evaluation_seconds:.0f} s, memory {(record.peak_memory or 0) / 1e6:,.0f} MB; "
            "purity of the classes of test pictures "
            f"{'n/a' if purity is None else f'{purity:.3f}'}.",
            as_markdown(figure_table(result.honest, result.paper)),
        ]
    return parts


def _purity(result: Result) -> float | None:
    """Share of the test pictures whose class is mostly their category."""
    names = sorted({class_of(picture) for picture in result.pictures})
    return agreement(concepts(result, {name: number for number, name in enumerate(names)}))


if __name__ == "__main__":
    main()
