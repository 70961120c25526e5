"""`normalis evaluate`: how well a model does on labelled pictures."""

from pathlib import Path
from typing import Annotated

import typer

from normalis.cli.text import tell

__all__ = ["evaluate"]


def evaluate(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder that 'normalis fit' wrote.")
    ],
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA...", help="Folders or manifests with labelled test pictures."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="RESULT", help="Folder of the result: all figures, and thumbnails."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of a report to look at.")
    ] = None,
    allow_seen: Annotated[
        bool,
        typer.Option("--allow-seen", help="Take pictures, too, that the model was made from."),
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(metavar="EXPORT", help="Judge this exported form of the model, in its place."),
    ] = None,
    layout: Annotated[
        str, typer.Option(help="Of the data; 'normalis data check' says what is recognised.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
) -> None:
    """Print the figures of each class, their mean, and of all classes mixed."""
    from normalis.cli.observer import observing
    from normalis.cli.testset import judge

    with observing() as observer:
        lines = judge(
            model,
            data,
            layout=layout,
            allow_seen=allow_seen,
            export=export,
            device=device,
            out=out,
            report=report,
            observer=observer,
        )
    tell(*lines)
