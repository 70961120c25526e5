"""One run of a benchmark: fitted and evaluated in a process of its own, so that its memory is too.

All that a run writes lies in `<folder>.partial` until it is whole; then it is renamed. A run that
is killed leaves the partial folder, and the next attempt goes on from there: with the fit where its
last checkpoint was, or with the evaluation if the model is whole.
"""

import json
import multiprocessing
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from normalis.api.each import Draw
from normalis.api.evaluate import evaluate
from normalis.api.fit import FitSummary, fit
from normalis.api.options import FitOptions, Paths
from normalis.errors import NormalisError
from normalis.evaluation.folder import write_result
from normalis.evaluation.result import Stage
from normalis.images.write import write_text
from normalis.progress import Observer
from normalis.recipes import Recipe
from normalis.suites.outcome import SCHEMA, FitRecord, RunRecord

__all__ = ["RECORD", "RESULT", "Job", "Painter", "make_run", "run_apart"]

RECORD = "run.json"
RESULT = "result"

Painter = Callable[[Path, Path], Draw]
"""Gives what draws the test pictures: from the model's folder, into the result's folder."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that a run needs; it can be sent to another process.

    Attributes:
        key: What the run is made from, as sha256.
        folder: Of the run to be; its parent exists.
        data: Folder or manifest, or several that are learned as one.
        layout: Of the data.
        recipe: Of the fit.
        cache: Folder of the feature store; the user's cache folder by default.
        device: "cpu", "cuda", or "auto".
        painter: Draws the test pictures, a function that can be imported; None draws nothing.
    """

    key: str
    folder: Path
    data: Paths
    layout: str
    recipe: Recipe
    cache: Path | None = None
    device: str = "auto"
    painter: Painter | None = None


def run_apart(job: Job, *, observer: Observer) -> str | None:
    """Make a run in a new process.

    Args:
        job: The run; `job.folder` does not exist yet.
        observer: Hears of the progress.

    Returns:
        None, or why the run failed, a sentence.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, theirs), daemon=True)
    with ours:
        process.start()
        theirs.close()
        try:
            reason = _relay(ours, observer)
        except BaseException:
            process.terminate()
            raise
        finally:
            process.join()
            code = process.exitcode
            process.close()
    if reason is None and code:
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"its process {ended}"
    return reason


def make_run(job: Job, *, observer: Observer) -> None:
    """Fit, evaluate, and put the run's folder in its place.

    Args:
        job: The run.
        observer: Hears of the progress.

    Raises:
        NormalisError: A user's mistake, see `normalis.errors`.
        OSError: The folder cannot be written.
    """
    partial = job.folder.with_name(f"{job.folder.name}.partial")
    continued = partial.exists()
    partial.mkdir(exist_ok=True)
    model, result = partial / "model", partial / RESULT
    fitted = _fitted(job, partial, observer)
    shutil.rmtree(result, ignore_errors=True)
    result.mkdir()
    start = time.perf_counter()
    found = evaluate(
        model,
        job.data,
        layout=job.layout,
        draw=job.painter(model, result) if job.painter else None,
        device=job.device,
        observer=observer,
    )
    write_result(found, result)
    record = RunRecord(
        schema=SCHEMA,
        key=job.key,
        fit=fitted,
        evaluation_seconds=time.perf_counter() - start,
        peak_memory=_peak_memory(),
        continued=continued,
    )
    _write(record, partial / RECORD)
    shutil.rmtree(model)
    _fit_note(partial).unlink()
    partial.replace(job.folder)


def _fitted(job: Job, partial: Path, observer: Observer) -> FitRecord:
    """The record of the run's fit; the model itself lies in the partial folder."""
    note, model = _fit_note(partial), partial / "model"
    if note.is_file():
        return TypeAdapter(FitRecord).validate_json(note.read_bytes())
    shutil.rmtree(model, ignore_errors=True)  # whole, but how it was made was not written down
    timed = _Timed(observer)
    options = FitOptions(layout=job.layout, cache=job.cache, resume=True, device=job.device)
    summary = fit(job.data, model, recipe=job.recipe, options=options, observer=timed)
    record = _fit_record(summary, timed.stages())
    _write(record, note)
    return record


def _fit_note(partial: Path) -> Path:
    return partial / "fit.json"


def _fit_record(summary: FitSummary, stages: tuple[Stage, ...]) -> FitRecord:
    watched = [record.validation for record in summary.records if record.validation is not None]
    return FitRecord(
        seconds=summary.seconds,
        stages=stages,
        epochs=len(summary.records),
        validation=min(watched, default=None),
        purity=summary.records[-1].purity if summary.records else None,
        concept_pictures=summary.concept_pictures,
        skipped=len(summary.skipped),
    )


def _write(record: FitRecord | RunRecord, path: Path) -> None:
    write_text(path, json.dumps(asdict(record), indent=1) + "\n")


class _Timed:
    """An observer that passes everything on, and knows how long each stage took."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._started: list[tuple[str, float]] = []

    def stage(self, name: str, total: int) -> None:
        """The stage before is over."""
        self._started.append((name, time.perf_counter()))
        self._observer.stage(name, total)

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """Pass it on."""
        self._observer.advance(count, note=note)

    def say(self, sentence: str) -> None:
        """Pass it on."""
        self._observer.say(sentence)

    def stages(self) -> tuple[Stage, ...]:
        """Every stage so far; the last one ends now."""
        ends = [start for _, start in self._started[1:]] + [time.perf_counter()]
        return tuple(
            Stage(name, end - start) for (name, start), end in zip(self._started, ends, strict=True)
        )


class _Telling:
    """An observer that tells another process."""

    def __init__(self, connection: "Connection[Any, Any]") -> None:
        self._connection = connection

    def stage(self, name: str, total: int) -> None:
        """Tell it."""
        self._connection.send(("stage", name, total))

    def advance(self, count: int = 1, *, note: str = "") -> None:
        """Tell it."""
        self._connection.send(("advance", note, count))

    def say(self, sentence: str) -> None:
        """Tell it."""
        self._connection.send(("say", sentence, 0))


def _work(job: Job, connection: "Connection[Any, Any]") -> None:
    """What the new process does; an interruption is its parent's affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        make_run(job, observer=_Telling(connection))
    except BrokenPipeError:  # nobody listens any more
        sys.exit(1)
    except (NormalisError, OSError) as error:
        connection.send(("fail", " ".join(str(error).split()), 0))


def _relay(connection: "Connection[Any, Any]", observer: Observer) -> str | None:
    """Pass on what the other process tells, to its end; gives the reason of a failure."""
    reason = None
    while True:
        try:
            kind, text, number = connection.recv()
        except EOFError:
            return reason
        if kind == "stage":
            observer.stage(text, number)
        elif kind == "advance":
            observer.advance(number, note=text)
        elif kind == "say":
            observer.say(text)
        else:
            reason = text


def _peak_memory() -> int | None:
    """Bytes that this process held at most; None under Windows, which is not asked.

    Linux counts in `ru_maxrss` what the parent held when it split off; the status file does not.
    """
    if sys.platform == "win32":
        return None
    import resource  # here, for Windows does not have it

    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found[0] * 1024 if found else peak if sys.platform == "darwin" else peak * 1024
