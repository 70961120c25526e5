"""Runs a suite: each model fitted and evaluated once, and never again while nothing changed."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from normalis.api.apart import RECORD, RESULT, Job, Painter, run_apart
from normalis.api.device import device_named
from normalis.datasets.layouts import open_dataset
from normalis.datasets.semantic import write_one_class
from normalis.errors import DatasetError, ResultError, SettingsError
from normalis.evaluation.folder import read_result
from normalis.evaluation.machine import machine
from normalis.evaluation.result import Result
from normalis.progress import Observer, Silent
from normalis.recipes import Recipe, require_known
from normalis.suites.key import data_digest, run_key, source_digest
from normalis.suites.outcome import Benchmark, NotRun, Outcome, RunRecord
from normalis.suites.suite import Run, Suite, SuiteData

__all__ = ["BenchmarkOptions", "benchmark"]


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """How a suite is run.

    Attributes:
        root: Where the suite's relative paths start; its own folder by default.
        places: Paths of data sets by their names, in place of the suite's.
        changes: Settings over those of all variants, nested like the recipe.
        cache: Folder of the feature store; the user's cache folder by default.
        device: "cpu", "cuda", or "auto".
        painter: Draws the test pictures, a function that can be imported; None draws nothing.
    """

    root: Path | None = None
    places: Mapping[str, Path] = field(default_factory=dict[str, Path])
    changes: tuple[Mapping[str, Any], ...] = ()
    cache: Path | None = None
    device: str = "auto"
    painter: Painter | None = None


@dataclass(frozen=True)
class _Ready:
    """A data set that is there, and the digest of what is in it."""

    path: Path
    digest: str


@dataclass(frozen=True)
class _Work:
    """What all runs of a benchmark share."""

    suite: Suite
    out: Path
    options: BenchmarkOptions
    observer: Observer
    source: str
    device: torch.device


def benchmark(
    suite: Suite,
    out: Path | str,
    *,
    options: BenchmarkOptions | None = None,
    observer: Observer | None = None,
) -> Benchmark:
    """Make every run of a suite whose data are there, and that was not made before.

    A run is kept in `out/runs` under the key of what it is made from (`normalis.suites.key`).
    One that was interrupted goes on; one that fails is reported, and the others are made. What an
    interrupted run left (`KEY.partial`) is not removed when its key changes: it may be deleted.

    Each run is a new process, which imports the calling script: there, call this below
    `if __name__ == "__main__":`.

    Args:
        suite: What to run.
        out: Folder of the runs; made if it is missing.
        options: How it is run.
        observer: Hears of the progress.

    Raises:
        SettingsError: A recipe or a name that is not right; before anything is run.
        DatasetError: A data set is not what its layout promises, or no run could be made.
    """
    options = options or BenchmarkOptions()
    work = _Work(
        suite=suite,
        out=Path(out),
        options=options,
        observer=observer or Silent(),
        source=source_digest(),
        device=device_named(options.device),
    )
    require_known("data set", list(options.places), allowed=[data.name for data in suite.data])
    recipes = [suite.recipe(run, root=options.root, changes=options.changes) for run in suite.runs]
    ready = {data.name: _ready(data, work) for data in suite.data}
    made: list[Outcome | NotRun] = []
    for number, (run, recipe) in enumerate(zip(suite.runs, recipes, strict=True), start=1):
        work.observer.say(f"run {number} of {len(recipes)}: {run.title}")
        made.append(_made(run, recipe, ready[run.data.name], work))
    outcomes = tuple(one for one in made if isinstance(one, Outcome))
    not_run = tuple(one for one in made if isinstance(one, NotRun))
    if not outcomes:
        reasons = "; ".join(dict.fromkeys(one.reason.rstrip(".") for one in not_run))
        raise DatasetError(f"The suite '{suite.name}' could make none of its runs: {reasons}.")
    return Benchmark(
        suite=suite, outcomes=outcomes, not_run=not_run, machine=machine(device=work.device)
    )


def _ready(data: SuiteData, work: _Work) -> _Ready | str:
    """The data set, or why it cannot be used."""
    path = work.options.places.get(data.name) or work.suite.place(data.path, root=work.options.root)
    if not path.exists():
        return f"{path} is not there; give --data '{data.name}=PATH', or --root"
    if data.one_class is not None:
        path = write_one_class(path, work.out / "data", choice=data.one_class)
    try:
        dataset = open_dataset(path, layout=data.layout)
        require_known("class", data.apart, allowed=dataset.categories)
    except SettingsError as error:
        raise SettingsError(
            f"The suite '{work.suite.name}', data '{data.name}': {error}"
        ) from error
    return _Ready(path, data_digest(dataset, observer=work.observer))


def _made(run: Run, recipe: Recipe, ready: _Ready | str, work: _Work) -> Outcome | NotRun:
    """A run from the cache, or made now."""
    weights = recipe.backbone.weights
    if isinstance(ready, str):
        return _not_run(run, ready, work, is_failure=False)
    if weights is not None and not Path(weights).is_file():
        return _not_run(run, f"the weights {weights} are not there", work, is_failure=False)
    key = run_key(recipe, data=ready.digest, source=work.source, device=work.device)
    folder = work.out / "runs" / key[:16]
    if found := _found(folder, key):
        work.observer.say("  made before")
        return _outcome(run, folder.relative_to(work.out), *found)
    shutil.rmtree(folder, ignore_errors=True)  # damaged
    folder.parent.mkdir(parents=True, exist_ok=True)
    job = Job(
        key=key,
        folder=folder,
        data=ready.path,
        layout=run.data.layout,
        recipe=recipe,
        cache=work.options.cache,
        device=work.options.device,
        painter=work.options.painter,
    )
    reason = run_apart(job, observer=work.observer)
    if reason is not None:
        return _not_run(run, reason, work, is_failure=True)
    found = _found(folder, key)
    assert found is not None
    return _outcome(run, folder.relative_to(work.out), *found)


def _not_run(run: Run, reason: str, work: _Work, *, is_failure: bool) -> NotRun:
    work.observer.say(f"  {'failed' if is_failure else 'skipped'}: {reason}")
    return NotRun(run=run, reason=reason, is_failure=is_failure)


def _found(folder: Path, key: str) -> tuple[RunRecord, Result] | None:
    """A run that was made before and is whole."""
    try:
        record = TypeAdapter(RunRecord).validate_json((folder / RECORD).read_bytes())
        result = read_result(folder / RESULT)
    except (OSError, ValidationError, ResultError):
        return None
    return (record, result) if record.key == key else None


def _outcome(run: Run, folder: Path, record: RunRecord, result: Result) -> Outcome:
    return Outcome(
        run=run,
        folder=(folder / RESULT).as_posix(),
        record=record,
        honest=result.honest,
        paper=result.paper,
        stages=result.stages,
        skipped=result.skipped,
        machine=result.machine,
        recipe=result.model.recipe,
        positions=result.positions,
    )
