"""The forms in which a saved model is measured, and the exports among them."""

import argparse
from functools import lru_cache
from pathlib import Path

from normalis.backbones.settings import EMBEDDED
from normalis.bundle.manifest import read_manifest
from normalis.errors import ExportError
from normalis.export.info import Format, Precision
from normalis.export.write import export_model, program_of

__all__ = ["GRAPHS", "add_options", "exported", "forms"]

GRAPHS: dict[str, Format] = {"onnxruntime": "onnx", "openvino": "openvino"}
"""What runs a graph, and the format it wants."""

_EXPORTED: tuple[tuple[str, Precision], ...] = (
    ("onnxruntime", "float32"),
    ("onnxruntime", "int8"),
    ("openvino", "float32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
)


_program = lru_cache(1)(program_of)  # most of the work, and the same for all forms of a model


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which forms, and which peers."""
    parser.add_argument("--runtimes", nargs="*", help="Those named; all by default.")
    parser.add_argument("--precisions", nargs="*", help="float32, bf16, int8; all by default.")
    parser.add_argument("--weights", help="Of DINOv2 ViT-S/14, which presets and Dinomaly want.")
    parser.add_argument("--peer", type=Path, help="Python of the peers' environment.")
    parser.add_argument("--bank", type=Path, help="What PatchCore learned.")
    parser.add_argument("--codes", nargs="*", default=["1179", "4716"], help="Of the bank.")
    parser.add_argument("--dinomaly", type=Path, help="What Dinomaly learned.")


def forms(
    model: Path, options: argparse.Namespace, *, library: tuple[str, ...]
) -> list[tuple[str, Precision]]:
    """Runtime and precision of each form that was asked for and that the model has.

    Args:
        model: A saved model.
        options: With those of `add_options`.
        library: The forms without an export.
    """
    known: list[tuple[str, Precision]] = [*((name, "float32") for name in library), *_EXPORTED]
    # Eight bits are for convolutions.
    convolves = read_manifest(model).recipe["backbone"]["name"] == EMBEDDED
    return [
        (runtime, precision)
        for runtime, precision in known
        if runtime in (options.runtimes or (runtime,))
        and precision in (options.precisions or (precision,))
        and (convolves or precision != "int8")
    ]


def exported(model: Path, runtime: str, precision: Precision, *, data: Path) -> Path | None:
    """The folder from which the form is opened; that of an export lies beside the model.

    None where the export refuses this precision for this model; it is said why.

    Args:
        model: A saved model, fitted on `data`.
        runtime: One of `GRAPHS`, or any other for the model itself.
        precision: What it computes in.
        data: The pictures, for the ranges and thresholds of a coarse precision.
    """
    if runtime not in GRAPHS:
        return model
    out = model.with_name(f"{model.name}+{runtime}+{precision}")
    if not out.exists():
        pictures = () if precision == "float32" else (data,)
        try:
            export_model(
                model,
                out,
                format=GRAPHS[runtime],
                precision=precision,
                pictures=pictures,
                program=_program(model),
            )
        except ExportError as error:
            if precision == "float32":
                raise
            print(error, flush=True)
            return None
    return out
