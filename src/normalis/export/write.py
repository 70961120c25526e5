"""Writes a saved model as a graph for another runtime."""

import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import Dim, ExportedProgram

from normalis.bundle.load import bundle_recipe, load_bundle
from normalis.bundle.manifest import MANIFEST, read_manifest
from normalis.bundle.sealed import file_digest
from normalis.errors import ExportError
from normalis.export.graph import ScoreGraph
from normalis.export.info import EXPORT, FORMATS, GRAPHS, ExportInfo, Format
from normalis.export.runtimes import INPUT, OUTPUTS, open_runtime, require
from normalis.images.write import write_text

__all__ = ["METADATA", "export_model", "program_of"]

METADATA = "normalis"
"""The key under which the graph itself carries the metadata."""

_OPSET = 18
_MOST_PICTURES = 1 << 16  # in a batch
_CLOSE = 1e-3  # of the largest value of a map


def export_model(
    model: Path,
    out: Path,
    *,
    format: Format = "onnx",  # noqa: A002
    overwrite: bool = False,
    program: ExportedProgram | None = None,
) -> ExportInfo:
    """Write a model as one graph with its metadata: prepared picture in, answers out.

    Args:
        model: Folder that `fit` wrote.
        out: Folder of the exported model to be; its parent must exist.
        format: Which runtime it is for.
        overwrite: Replace an exported model that is already there.
        program: As `program_of` gives it, where several formats are written of one model.

    Returns:
        The metadata.

    Raises:
        BundleError: Not a model, of a newer format, or altered.
        ExportError: Something is in the way, a library is missing, the model has no such graph, or
            the graph does not give the model's maps.
    """
    if format not in FORMATS:
        raise ExportError(f"There is no format '{format}'; there are: {', '.join(FORMATS)}.")
    _require_place(out, overwrite=overwrite)
    for library in _LIBRARIES[format]:
        require(library)
    info = _info(model, format)
    program = program or program_of(model)
    whole = out.absolute()
    partial = whole.parent / f".{whole.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        _WRITERS[format](program, info.to_text(), partial / GRAPHS[format])
        _verify(program, partial, info)
        files = {path.name: file_digest(path) for path in sorted(partial.iterdir())}
        sealed = replace(info, files=files)
        write_text(partial / EXPORT.file, sealed.to_text())
        if whole.exists():
            shutil.rmtree(whole)
        partial.replace(whole)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return sealed


def _verify(program: ExportedProgram, folder: Path, info: ExportInfo) -> None:
    """Refuse a graph that does not answer as the model does, on made pictures.

    A code that lies as near as another may be chosen by a rounding, so single places may differ.
    """
    runtime = open_runtime(folder, info.format, threads=None)
    size = (info.preparation["height"], info.preparation["width"])
    pixels = torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = program.module()(pixels)[0].numpy()
    got = runtime.run(pixels.numpy()).map
    far = got.shape != wanted.shape or (
        np.median(np.abs(got - wanted)) > _CLOSE * np.abs(wanted).max()
    )
    if far:
        raise ExportError(
            f"The graph for {info.format} does not give this model's maps, so it was not written; "
            "export to another format, or use the model itself."
        )


def _require_place(out: Path, *, overwrite: bool) -> None:
    """Refuse before any work what would be refused after it."""
    if not out.absolute().parent.is_dir():
        raise ExportError(f"{out}: the folder {out.parent} does not exist; make it.")
    if not out.exists():
        return
    if not (out / EXPORT.file).is_file():
        raise ExportError(
            f"{out}: is there already and is not an exported model, which alone may be replaced; "
            "choose another --out."
        )
    if not overwrite:
        raise ExportError(f"{out}: is already there; choose another --out, or add --overwrite.")


def _info(model: Path, format: Format) -> ExportInfo:  # noqa: A002
    """The metadata, but for the files."""
    manifest = read_manifest(model)
    recipe = bundle_recipe(model, manifest)
    return ExportInfo(
        version=version("normalis"),
        format=format,
        preset=recipe.preset,
        backbone=recipe.backbone.name,
        source=file_digest(model / MANIFEST),
        preparation=asdict(recipe.preparation),
        concepts=manifest.concepts,
        concept_names=manifest.concept_names,
        calibration=manifest.calibration,
        map_range=manifest.map_range,
        files={},
    )


def program_of(model: Path) -> ExportedProgram:
    """A saved model as one graph, for batches of any size.

    Raises:
        BundleError: Not a model, of a newer format, or altered.
        ExportError: Its backbone or its detector cannot be made one.
        SettingsError: The model's only score is relative to a whole test set.
    """
    scorer = load_bundle(model, device=torch.device("cpu"))
    scorer.check()
    if scorer.detector.no_graph:
        raise ExportError(
            f"{model}: cannot be one graph, for {scorer.detector.no_graph}; score with the model "
            "itself."
        )
    concepts = read_manifest(model).concepts
    graph = ScoreGraph(
        scorer.pyramid, scorer.detector, calibration=scorer.calibration, concepts=concepts
    )
    preparation = scorer.preparation
    # Of two pictures: a batch of one would be taken for a law.
    example = torch.rand(2, 3, preparation.height, preparation.width)
    batch = Dim("batch", min=1, max=_MOST_PICTURES)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own making, about its own insides
            return torch.export.export(
                graph.eval(), (example,), dynamic_shapes=({0: batch},), strict=False
            )
    except Exception as error:  # the tracer lets almost any exception escape
        reason = " ".join(str(error).split())[:500]
        raise ExportError(
            f"{model}: its backbone '{scorer.pyramid.name}' or detector cannot be made one graph; "
            f"use the model itself, or fit one with another backbone. torch says: {reason}"
        ) from error


def _write_onnx(program: ExportedProgram, metadata: str, path: Path) -> None:
    """ONNX, the metadata in its properties."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converter's own making
        converted: Any = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=_OPSET,
            input_names=[INPUT],
            output_names=list(OUTPUTS[: len(program.graph_signature.user_outputs)]),
            verbose=False,
        )
    converted.model.metadata_props[METADATA] = metadata
    converted.save(str(path))


def _write_openvino(program: ExportedProgram, metadata: str, path: Path) -> None:
    """OpenVINO's form, the metadata in its runtime information.

    It is made from ONNX: straight from torch, OpenVINO takes some free batches for single pictures.
    """
    library: Any = require("openvino")
    onnx = path.with_suffix(".onnx")
    _write_onnx(program, metadata, onnx)
    graph = library.Core().read_model(str(onnx))
    graph.set_rt_info(metadata, [METADATA])
    library.save_model(graph, str(path), compress_to_fp16=False)
    onnx.unlink()


def _write_torch(program: ExportedProgram, metadata: str, path: Path) -> None:
    """A program of `torch.export`, the metadata among its extra files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own making
        torch.export.save(program, path, extra_files={METADATA: metadata})


_LIBRARIES: Mapping[Format, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
    "torch": (),
}
_WRITERS: Mapping[Format, Callable[[ExportedProgram, str, Path], None]] = {
    "onnx": _write_onnx,
    "openvino": _write_openvino,
    "torch": _write_torch,
}
