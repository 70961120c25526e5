"""`normalis report`: a page to look at from a finished evaluation."""

from pathlib import Path
from typing import Annotated

import typer

from normalis.cli.text import tell

__all__ = ["report"]


def report(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="Folder that 'normalis evaluate --out' wrote.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the report.")],
) -> None:
    """Write a report that opens in any browser, without a network."""
    from normalis.evaluation.folder import read_result
    from normalis.report.site import write_report

    page = write_report(read_result(result), source=result, out=out)
    tell(f"open {page} in a browser")
