"""`normalis benchmark`: a suite of fits and evaluations, each made once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from normalis.cli.text import tell
from normalis.errors import SettingsError

if TYPE_CHECKING:
    from normalis.api.each import Draw

__all__ = ["benchmark"]


def benchmark(
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE",
            help="smoke, unified, industrial, ablation, ablation-hgad, semantic, or a TOML file.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the runs and the tables.")],
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder in which the suite's data lie.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Where a data set lies; may be given again."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="In place of the suite's.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE...", help="Any settings, for all variants."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of the features; $NORMALIS_CACHE, or the user's, by default."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
) -> None:
    """Fit and evaluate what a suite lists, compare it, and write tables and reports.

    Finished runs are kept: the same command goes on after an interruption, and repeats nothing.
    """
    from dataclasses import replace

    from normalis.api.benchmark import BenchmarkOptions
    from normalis.api.benchmark import benchmark as run_suite
    from normalis.cli.observer import observing
    from normalis.recipes import parse_assignment
    from normalis.report.benchmark import require_benchmark, write_benchmark
    from normalis.suites.suite import read_suite

    chosen = read_suite(suite)
    if seeds is not None:
        chosen = replace(chosen, seeds=_seeds(seeds))
    options = BenchmarkOptions(
        root=root,
        places=dict(map(_place, data or ())),
        changes=tuple(map(parse_assignment, assignments or ())),
        cache=cache,
        device=device,
        painter=draw_thumbnails,
    )
    require_benchmark(out)
    with observing() as observer:
        done = run_suite(chosen, out, options=options, observer=observer)
    page = write_benchmark(done, out)
    failed = sum(one.is_failure for one in done.not_run)
    tell(
        (out / "benchmark.md").read_text(encoding="utf-8"),
        f"runs: {len(done.outcomes)} made, {len(done.not_run) - failed} skipped, {failed} failed",
        f"open {page} in a browser",
    )
    if failed:
        raise typer.Exit(1)


def draw_thumbnails(model: Path, folder: Path) -> "Draw":
    """What draws the test pictures of a model into a result's folder."""
    from normalis.bundle.manifest import read_manifest
    from normalis.report.thumbnails import Thumbnails
    from normalis.results import MapRange

    return Thumbnails(folder, MapRange(*read_manifest(model).map_range)).draw


def _place(text: str) -> tuple[str, Path]:
    """The name and the path of "NAME=PATH"."""
    name, sign, path = text.partition("=")
    if not sign or not name or not path:
        raise SettingsError(f"--data {text}: a data set's place is given as NAME=PATH.")
    return name, Path(path)


def _seeds(text: str) -> tuple[int, ...]:
    """The seeds of "0,1,2"."""
    numbers = [number.strip() for number in text.split(",")]
    if not all(number.isascii() and number.isdigit() and len(number) < 11 for number in numbers):
        raise SettingsError(f"--seeds {text}: give whole numbers, as in 0,1,2.")
    return tuple(map(int, numbers))
