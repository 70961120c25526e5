"""`normalis export`: a model for another runtime."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from normalis.cli.text import amount, tell

__all__ = ["export"]


def export(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder that 'normalis fit' wrote.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the exported model to be.")],
    target: Annotated[
        Literal["onnx", "openvino", "torch"], typer.Option("--format", help="Which runtime.")
    ] = "onnx",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an exported model that is already there.")
    ] = False,
) -> None:
    """Write a model as one graph for another runtime; 'normalis score' runs it without torch."""
    from normalis.export.write import export_model

    info = export_model(model, out, format=target, overwrite=overwrite)
    size = sum(path.stat().st_size for path in out.iterdir())
    tell(
        f"exported: {out} ({info.format}, {amount(size)})",
        f"next: normalis score {out} PICTURES --out answers",
    )
