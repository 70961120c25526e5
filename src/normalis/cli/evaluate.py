"""`normalis evaluate`: how well a model does on labelled pictures."""

from pathlib import Path
from typing import Annotated

import typer

from normalis.cli.text import skipped_lines, tell

__all__ = ["evaluate"]


def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder that 'normalis fit' wrote.")],
    data: Annotated[Path, typer.Argument(help="Folder or manifest with labelled test pictures.")],
    layout: Annotated[
        str, typer.Option(help="Of the data; 'normalis data check' says what is recognised.")
    ] = "auto",
    json: Annotated[Path | None, typer.Option(help="File for all figures, as JSON.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for answers, heat maps and an index.html.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
) -> None:
    """Print figures for each class, their mean, and all classes mixed."""
    from normalis.api.load import load
    from normalis.cli.observer import observing
    from normalis.cli.testset import test_set_figures

    scorer = load(model, device=device)
    with observing() as observer:
        seen = test_set_figures(
            scorer, data, layout=layout, json=json, report=report, observer=observer
        )
    tell(seen.text, *skipped_lines(seen.skipped))
    if seen.page:
        tell(f"report: {seen.page}")
