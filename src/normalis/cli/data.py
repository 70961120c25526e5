"""`normalis data`: looks at data sets."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from normalis.cli.text import as_json, tell

__all__ = ["data"]

data = typer.Typer(help="Look at data sets.", no_args_is_help=True)


@data.callback()
def _group() -> None:
    """Keeps `check` a command of its own."""


@data.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder or manifest.")],
    layout: Annotated[
        str, typer.Option(help="Expect this one: mvtec, visa, btad, mvtec3d, folder or manifest.")
    ] = "auto",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Decode every picture; print layout, counts, sizes, modes, and what is wrong."""
    from normalis.cli.lines import check_lines
    from normalis.cli.observer import observing
    from normalis.datasets.check import check_dataset
    from normalis.datasets.layouts import open_dataset

    dataset = open_dataset(folder, layout=layout)
    with observing() as observer:
        observer.stage("reading pictures", len(dataset.samples))
        found = check_dataset(dataset, progress=lambda _done, _total: observer.advance())
    tell(*([as_json(asdict(found))] if json else check_lines(found)))
