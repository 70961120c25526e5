"""`normalis info`: what a saved model says of itself."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from normalis.cli.text import as_json, tell

__all__ = ["info"]


def info(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder that 'normalis fit' wrote.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a model's files, and print what it was made from and how."""
    from normalis.api.load import describe
    from normalis.cli.lines import info_lines

    described = describe(model)
    tell(*([as_json(asdict(described))] if json else info_lines(described)))
