"""`normalis info`: what a saved or an exported model says of itself."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from normalis.cli.text import amount, as_json, tell

if TYPE_CHECKING:
    from normalis.export.info import ExportInfo

__all__ = ["info"]


def info(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="Folder that 'normalis fit' or 'export' wrote."),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a model's files, and print what it was made from and how."""
    from normalis.export.info import is_export, read_export

    if is_export(model):
        folder, exported = read_export(model)
        tell(*([as_json(asdict(exported))] if json else _export_lines(folder, exported)))
        return
    from normalis.api.load import describe
    from normalis.cli.lines import info_lines

    described = describe(model)
    tell(*([as_json(asdict(described))] if json else info_lines(described)))


def _export_lines(folder: Path, info: "ExportInfo") -> list[str]:
    """What an exported model says of itself; nothing here needs torch."""
    from normalis.bundle.sealed import folder_bytes
    from normalis.calibration import Calibration

    how = info.preparation
    names = f" ({', '.join(info.concept_names)})" if info.concept_names else ""
    return [
        f"exported:     {folder} ({info.format}, {info.precision}, {amount(folder_bytes(folder))})",
        f"made by:      normalis {info.version}",
        f"preset:       {info.preset}",
        f"backbone:     {info.backbone}",
        f"pictures:     {how['height']} rows, {how['width']} columns, by {how['fit']}",
        f"concepts:     {info.concepts}{names}",
        f"false alarms: {Calibration.from_json(info.calibration).promise()}",
        *([f"map:          {info.map_meaning}"] if info.map_meaning else ()),
        f"made from:    the model whose manifest has the sha256 {info.source}",
    ]
