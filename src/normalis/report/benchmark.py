"""A benchmark as files: JSON for programs, Markdown for a document, a page with every report."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from normalis.errors import ResultError
from normalis.evaluation.folder import read_result
from normalis.images.write import write_text
from normalis.report.benchmark_tables import Section, run_table, sections
from normalis.report.pages import render_page
from normalis.report.plots import position_plot
from normalis.report.site import write_report
from normalis.report.tables import as_markdown, markdown_text
from normalis.suites.outcome import SCHEMA, Benchmark, NotRun, Outcome
from normalis.suites.published import CAUTION, published_tables
from normalis.suites.suite import Run

__all__ = ["benchmark_markdown", "require_benchmark", "write_benchmark"]

_PAGE, _TWIN = "index.html", "benchmark.json"


def require_benchmark(out: Path) -> None:
    """Refuse before any work a folder whose page is another's.

    Raises:
        ResultError: A page lies there without a benchmark.
    """
    if (out / _PAGE).exists() and not (out / _TWIN).exists():
        raise ResultError(
            f"{out / _PAGE}: is already there, and not of a benchmark, which alone would be "
            "replaced; choose another folder."
        )


def write_benchmark(benchmark: Benchmark, out: Path) -> Path:
    """Write `benchmark.json`, `benchmark.md`, a report of each run that has none, and the page.

    Args:
        benchmark: What came of a suite.
        out: Its folder, which holds the results of its runs.

    Returns:
        The page, `index.html`.

    Raises:
        ResultError: A run's result is damaged.
        OSError: A file cannot be written.
    """
    for outcome in benchmark.outcomes:
        folder = out / outcome.folder
        if not (folder / _PAGE).exists():
            write_report(read_result(folder), source=folder, out=folder)
    text = json.dumps(_tree(benchmark), indent=1, allow_nan=False) + "\n"
    write_text(out / _TWIN, text)
    write_text(out / "benchmark.md", benchmark_markdown(benchmark))
    write_text(out / _PAGE, _page(benchmark))
    return out / _PAGE


def benchmark_markdown(benchmark: Benchmark) -> str:
    """All tables, the machine, and what was not run."""
    suite = benchmark.suite
    not_run = [markdown_text(_not_run(one)) for one in benchmark.not_run]
    parts = [f"# Benchmark {markdown_text(suite.name)}", markdown_text(suite.question)]
    parts += [f"Machine: {markdown_text(machine)}." for machine in _machines(benchmark)]
    for section in _sections(benchmark):
        parts += [f"## {markdown_text(section.heading)}", as_markdown(section.table)]
    if not_run:
        parts += ["## Not run", "\n".join(f"- {line}" for line in not_run)]
    return "\n\n".join(parts) + "\n"


def _sections(benchmark: Benchmark) -> list[Section]:
    return [*sections(benchmark), Section("Runs", run_table(benchmark))]


def _machines(benchmark: Benchmark) -> list[str]:
    """Where the runs were made; usually one machine."""
    machines = [_described(outcome.machine) for outcome in benchmark.outcomes]
    return list(dict.fromkeys(machines))


def _described(machine: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in machine.items() if value)


def _not_run(one: NotRun) -> str:
    return f"{one.run.title}: {'failed, ' if one.is_failure else ''}{one.reason.rstrip('.')}."


def _page(benchmark: Benchmark) -> str:
    values = {
        "suite": benchmark.suite,
        "machines": _machines(benchmark),
        "sections": _sections(benchmark),
        "reports": [(one.run.title, f"{one.folder}/{_PAGE}") for one in benchmark.outcomes],
        "not_run": [_not_run(one) for one in benchmark.not_run],
        "positions": _drawn_positions(benchmark),
    }
    return render_page("benchmark.html", values)


def _drawn_positions(benchmark: Benchmark) -> list[tuple[str, str]]:
    """Title and drawing of every run with the first seed that has marked defects."""
    first = benchmark.suite.seeds[0]
    return [
        (one.run.title, position_plot(found, name=f"positions-{number}", title=one.run.title))
        for number, one in enumerate(benchmark.outcomes)
        if one.run.seed == first and (found := one.positions) and sum(found.defect)
    ]


def _tree(benchmark: Benchmark) -> dict[str, Any]:
    """The benchmark as plain values."""
    suite = asdict(benchmark.suite)
    del suite["folder"]  # of this machine
    data = [name for one in benchmark.suite.data for name in one.published]
    return {
        "kind": "normalis-benchmark",
        "schema": SCHEMA,
        "suite": suite,
        "machine": benchmark.machine,
        "runs": [_run_tree(outcome) for outcome in benchmark.outcomes],
        "not_run": [
            {**_names(one.run), "reason": one.reason, "is_failure": one.is_failure}
            for one in benchmark.not_run
        ],
        "published": [asdict(table) for table in published_tables(data)],
        "caution": CAUTION,
    }


def _run_tree(outcome: Outcome) -> dict[str, Any]:
    tree = asdict(outcome)
    del tree["run"]
    return {**_names(outcome.run), **tree}


def _names(run: Run) -> dict[str, Any]:
    return {"data": run.data.name, "variant": run.variant.title, "seed": run.seed}
