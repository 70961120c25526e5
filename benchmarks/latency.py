"""How long a picture takes: presets, runtimes, precisions, threads and batches, and where it goes.

    python benchmarks/latency.py DATA --weights DINOV2 --peer PYTHON --bank BANK --dinomaly STATE
    python benchmarks/latency.py DATA --presets hgad flow --threads 2

Every preset is fitted for one step on the good pictures of DATA (how well it learned changes no
time) and exported; DINOV2 is the weights' file of the presets over DINOv2. Each form then answers
for the same test pictures in a process of its own (latency_form.py): `eager` is the library with
the dense detector, `compiled` the library as it loads a model. The whole way from file to answer is
measured: p50 and p95 of the wall time of a batch (24 of them, or as many as begin within 3 s, at
least 3), and the lowest processor time, which other work on the machine hardly disturbs; with
several threads it adds up what all of them took. The parts are lowest processor times per picture:
decoding and preparing, backbone, detector ("flow"), bringing the map back to the picture and
deciding; a graph has backbone and detector in one. With `--peer`, the same run times anomalib's
PatchCore and Dinomaly (benchmarks/peers). Writes benchmarks/results/latency.json and latency.md
after every form: an interruption loses the form that it met. With `--done FILE` a form that is
measured is noted there, and one that is noted is not measured again, so that the same call goes on
where it ended; `--minutes` lets it end by itself. A form
that the export refuses has no row. Rows of forms and thread counts that were not
asked for stay. The accuracy beside them comes from benchmarks/accuracy.py.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from forms import add_options, exported, forms
from latency_form import Row
from normalis.api.fit import fit
from normalis.api.options import FitOptions
from normalis.backbones.settings import EMBEDDED
from normalis.evaluation.machine import machine
from normalis.images.write import write_text
from normalis.presets import preset
from normalis.recipes import Recipe
from normalis.report.tables import Table, as_markdown

RESULTS = Path(__file__).parent / "results"

Form = tuple[str, Callable[[], list[Row]]]
"""What is measured, and how."""


def main() -> None:
    """Measure every form, and keep its rows."""
    options = _options()
    end = time.monotonic() + 60 * options.minutes
    done: Path | None = options.done
    noted = done.read_text(encoding="utf-8").splitlines() if done and done.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in chain(_ours(options, Path(folder)), _peers(options)):
            words = f"{name}, {options.threads} threads, batches of {' '.join(options.batches)}"
            if words in noted:
                continue
            if time.monotonic() > end:
                raise SystemExit(f"{options.minutes} minutes are over, and {words} is next.")
            _keep(measure())
            if done:
                write_text(done, "\n".join([*noted, words, ""]))
                noted.append(words)


def _keep(rows: Sequence[Row]) -> None:
    """Put the rows of a form into the table, in the place of its earlier ones."""
    replaced = {_form(row) for row in rows}
    _write([*(row for row in _known() if _form(row) not in replaced), *rows])


def _write(kept: Sequence[Row]) -> None:
    """The whole table."""
    versions = {name: version(name) for name in ("onnxruntime", "openvino")}
    result = {"machine": {**machine(), **versions}, "rows": [asdict(row) for row in kept]}
    write_text(RESULTS / "latency.json", json.dumps(result, indent=1) + "\n")
    write_text(RESULTS / "latency.md", as_markdown(_table(kept)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Latency of presets and runtimes.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--presets", nargs="*", default=["vqflow"])
    parser.add_argument("--batches", nargs="*", default=["1", "8", "32"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--work", type=Path, help="Keep models and exports here, and take them.")
    parser.add_argument("--done", type=Path, help="Note forms here, and leave those noted out.")
    parser.add_argument("--minutes", type=float, default=math.inf, help="No form begins later.")
    add_options(parser)
    return parser.parse_args()


def _ours(options: argparse.Namespace, folder: Path) -> Iterator[Form]:
    """Every form of every preset; models and exports are made when they are come to."""
    for name in options.presets:
        model = (options.work or folder) / name
        cached = FitOptions(cache=options.cache, device="cpu")
        if not model.exists():
            fit(options.data, model, recipe=_recipe(name, options.weights), options=cached)
        for runtime, precision in forms(model, options, library=("eager", "compiled")):
            form = exported(model, runtime, precision, data=options.data)
            if form is None:
                _write([row for row in _known() if _form(row)[:3] != (name, runtime, precision)])
                continue
            words = [str(options.data), str(form), runtime]
            yield f"{name} {runtime} {precision}", partial(_rows, words, options)


def _rows(arguments: Sequence[str], options: argparse.Namespace) -> list[Row]:
    """One form in a process of its own, whose memory is its own too."""
    script = str(Path(__file__).with_name("latency_form.py"))
    command = [sys.executable, script, *arguments]
    return [Row(**said) for said in _said(command, options)]


def _said(command: Sequence[str], options: argparse.Namespace) -> list[dict[str, Any]]:
    """What a measuring process prints, an object a line."""
    threads = str(options.threads)
    measured = ("--threads", threads, "--batches", *options.batches)
    limits = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    done = subprocess.run(
        [*command, *measured],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **limits},
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    print(done.stdout, end="", flush=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def _peers(options: argparse.Namespace) -> Iterator[Form]:
    """PatchCore with memories of several sizes, and Dinomaly."""
    if options.peer is None:
        return
    folder = Path(__file__).parent / "peers"
    asked: list[tuple[str, list[str]]] = []
    if options.bank:
        words = [str(folder / "patchcore.py"), "time", str(options.data), str(options.bank)]
        asked += [
            (f"PatchCore, {int(codes):,} codes", [*words, "--codes", codes])
            for codes in options.codes
        ]
    if options.dinomaly:
        words = [str(folder / "dinomaly.py"), "time", str(options.data), str(options.dinomaly)]
        asked.append(("Dinomaly", [*words, "--weights", options.weights]))
    for name, words in asked:
        yield name, partial(_peer, name, words, options)


def _peer(name: str, words: Sequence[str], options: argparse.Namespace) -> list[Row]:
    """The rows of one peer."""
    fixed = {"runtime": "anomalib", "precision": "float32", "after": 0.0}
    said = _said([str(options.peer), *words], options)
    return [Row(preset=name, threads=options.threads, **fixed, **row) for row in said]


def _recipe(name: str, weights: str | None) -> Recipe:
    """The preset, trained as little as can be."""
    recipe = preset(name)
    backbone = recipe.backbone
    if backbone.name != EMBEDDED:
        backbone = replace(backbone, weights=weights)
    training = replace(recipe.training, epochs=1, least_steps=1)
    return replace(recipe, backbone=backbone, training=training)


def _known() -> list[Row]:
    """The rows so far."""
    path = RESULTS / "latency.json"
    if not path.is_file():
        return []
    return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))["rows"]]


def _form(row: Row) -> tuple[str, str, str, int]:
    """Whose rows are measured together."""
    return row.preset, row.runtime, row.precision, row.threads


def _table(rows: Sequence[Row]) -> Table:
    """What the README shows."""
    head = ("preset", "runtime", "precision", "threads", "batch", "p50 ms", "p95 ms", "pictures/s")
    parts = ("processor ms/picture", "decode", "backbone", "flow", "after", "peak MB", "MB")
    accuracy = ("image AUROC", "pixel AUROC")
    known = _accuracy()
    lines = tuple((*_cells(row), *known.get(_key(row), ("", ""))) for row in rows)
    return Table((*head, *parts, *accuracy), lines, ())


def _key(row: Row) -> tuple[str, str, str]:
    """Under which its accuracy stands; the dense detector's is that of its compiled form."""
    in_library = row.runtime in ("eager", "compiled")
    return row.preset, "library" if in_library else row.runtime, row.precision


def _accuracy() -> dict[tuple[str, str, str], tuple[str, str]]:
    """Per cent, means over products, of what benchmarks/accuracy.py measured."""
    path = RESULTS / "accuracy.json"
    if not path.is_file():
        return {}
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return {
        (row["preset"], row["runtime"], row["precision"]): (
            f"{100 * row['image_auroc']:.1f}",
            f"{100 * row['pixel_auroc']:.1f}",
        )
        for row in rows
    }


def _cells(row: Row) -> tuple[str, ...]:
    names = (row.preset, row.runtime, row.precision, str(row.threads), str(row.batch))
    times = (row.p50, row.p95, row.pictures_a_second, row.processor, row.decode)
    backbone = "in flow" if row.backbone is None else f"{row.backbone:.1f}"
    rest = (row.flow, row.after, row.peak_megabytes, row.megabytes)
    cells = ("" if x is None else f"{x:.1f}" for x in rest)
    return (*names, *(f"{x:.1f}" for x in times), backbone, *cells)


if __name__ == "__main__":
    main()
