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
        Path, typer.Argument(metavar="DATA", help="Folder or manifest with labelled test pictures.")
    ],
    layout: Annotated[
        str, typer.Option(help="Of the data; 'normalis data check' says what is recognised.")
    ] = "auto",
    json: Annotated[Path | None, typer.Option(help="File for all figures.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for figures, answers, heat maps and index.html.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
) -> None:
    """Print the figures of each class, their mean, and of all classes mixed."""
    from normalis.api.load import load
    from normalis.cli.observer import observing
    from normalis.cli.testset import judge

    scorer = load(model, device=device)
    with observing() as observer:
        lines = judge(scorer, data, layout=layout, json=json, report=report, observer=observer)
    tell(*lines)
