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
    precision: Annotated[
        Literal["float32", "bf16", "int8"],
        typer.Option(help="What it computes in; a coarser one needs --pictures."),
    ] = "float32",
    pictures: Annotated[
        list[Path] | None,
        typer.Option(
            help="What the model was fitted on, to measure a coarser graph's thresholds; may be "
            "given again."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an exported model that is already there.")
    ] = False,
) -> None:
    """Write a model as one graph for another runtime; 'normalis score' runs it without torch."""
    from normalis.bundle.sealed import folder_bytes
    from normalis.export.write import export_model

    info = export_model(
        model,
        out,
        format=target,
        precision=precision,
        pictures=pictures or (),
        overwrite=overwrite,
    )
    tell(
        f"exported: {out} ({info.format}, {info.precision}, {amount(folder_bytes(out))})",
        *([f"note: its map says {info.map_meaning}"] if info.map_meaning else ()),
        f"next: normalis score {out} PICTURES --out answers",
    )
