"""Writes a saved model as a graph for another runtime."""

import warnings
from collections.abc import Callable, Mapping, Sequence
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
from normalis.calibration import Calibration
from normalis.errors import ExportError
from normalis.export.graph import ScoreGraph, held_out_table
from normalis.export.info import EXPORT, FORMATS, GRAPHS, ExportInfo, Format, Precision
from normalis.export.made_from import MadeFrom, made_from, prepared
from normalis.export.precision import check_precision
from normalis.export.quantize import quantize_for_onnxruntime, quantize_for_openvino
from normalis.export.recalibrate import recalibrated
from normalis.export.runtimes import INPUT, OUTPUTS, AbstractRuntime, open_runtime, require
from normalis.folders import scratch_beside
from normalis.images.write import write_text

__all__ = ["METADATA", "export_model", "program_of"]

METADATA = "normalis"
"""The key under which the graph itself carries the metadata."""

_OPSET = 18
_BACKBONE = "pyramid"  # its name in `ScoreGraph`
_MOST_PICTURES = 1 << 16  # in a batch
_RANGE_PICTURES = 64  # from which the ranges of whole numbers come
# Of the largest value of a map, at half of its places. On good pictures, whose maps are flat, whole
# numbers leave hardly more than that; what they leave of defects benchmarks/accuracy.py says.
_CLOSE: Mapping[Precision, float] = {"float32": 1e-3, "bf16": 0.1, "int8": 1.0}


def export_model(
    model: Path,
    out: Path,
    *,
    format: Format = "onnx",  # noqa: A002
    precision: Precision = "float32",
    pictures: Sequence[Path] = (),
    overwrite: bool = False,
    program: ExportedProgram | None = None,
) -> ExportInfo:
    """Write a model as one graph with its metadata: prepared picture in, answers out.

    In a coarser precision than float32 scores shift, and with them false alarms. So the graph
    itself scores the held-out pictures, and its own p-values and thresholds come from those
    scores: the rate is promised as before, for it asks of a score no more than to be one function
    that was made without them. The ranges of `int8` come from training pictures alone.

    Args:
        model: Folder that `fit` wrote.
        out: Folder of the exported model to be; its parent must exist.
        format: Which runtime it is for.
        precision: `bf16` computes all in bfloat16; `int8` the backbone's convolutions, but for the
            first, in whole numbers: not even all of these bear them (`quantize.py`), and what
            lies behind was left alone.
        pictures: Folders or manifests that the model was fitted on, for a coarser precision.
        overwrite: Replace an exported model that is already there.
        program: As `program_of` gives it, where several formats are written of one model.

    Returns:
        The metadata.

    Raises:
        BundleError: Not a model, of a newer format, or altered.
        ExportError: Something is in the way, a library is missing, the model has no such graph,
            the precision makes no sense, its pictures are missing, or the graph does not give the
            model's maps, or scores that tell pictures apart.
    """
    if format not in FORMATS:
        raise ExportError(f"There is no format '{format}'; there are: {', '.join(FORMATS)}.")
    check_precision(format, precision, has_pictures=bool(pictures))
    _require_place(out, overwrite=overwrite)
    for library in _LIBRARIES[format]:
        require(library)
    read_manifest(model)  # so that a wrong path is told as such, before its pictures are missed
    found = made_from(model, pictures) if pictures else None
    loaded = program or program_of(model)
    info = _info(model, format, precision)
    whole = out.absolute()
    with scratch_beside(whole) as scratch:
        partial = scratch / "export"
        partial.mkdir()
        sealed = _write(loaded, info, partial, found=found)
        if whole.exists():
            whole.replace(scratch / "replaced")
        partial.replace(whole)
    return sealed


def _write(
    program: ExportedProgram, info: ExportInfo, folder: Path, *, found: MadeFrom | None
) -> ExportInfo:
    """The graph and its metadata; in a coarser precision with thresholds of its own."""
    path, writer = folder / GRAPHS[info.format], _WRITERS[info.format]
    learned = found.train[:_RANGE_PICTURES] if found else ()
    ranges = learned if info.precision == "int8" else ()
    _set_held_out(program, info)  # another export may have left its own
    writer(program, info, path, ranges)
    runtime = open_runtime(folder, info.format, precision=info.precision, threads=None)
    _verify(program, runtime, info, learned[:3])
    if found:
        info, before = recalibrated(info, runtime, found=found), info
        _require_calm(before, info)
        _set_held_out(program, info)
        writer(program, info, path, ranges)
    files = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
    sealed = replace(info, files=files)
    write_text(folder / EXPORT.file, sealed.to_text())
    return sealed


def _set_held_out(program: ExportedProgram, info: ExportInfo) -> None:
    """Let the p-values of the graph be those of the calibration that it states."""
    table = held_out_table(Calibration.from_json(info.calibration), info.concepts)
    for name, values in table.items():
        program.state_dict[name].copy_(values)


def _verify(
    program: ExportedProgram, runtime: AbstractRuntime, info: ExportInfo, learned: Sequence[Path]
) -> None:
    """Refuse a graph that does not answer as the model does, on pictures of its own or made ones.

    A code that lies as near as another may be chosen by a rounding, so single places may differ.
    """
    size = (info.preparation["height"], info.preparation["width"])
    pixels = torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(0))
    if learned:
        pixels = torch.from_numpy(np.concatenate(list(prepared(learned, info.preparation))))
    with torch.no_grad():
        wanted = program.module()(pixels)[0].numpy()
    got = runtime.run(pixels.numpy()).map
    far = got.shape != wanted.shape or (
        np.median(np.abs(got - wanted)) > _CLOSE[info.precision] * np.abs(wanted).max()
    )
    if far:
        raise ExportError(
            f"The graph for {info.format} in {info.precision} does not give this model's maps, so "
            "it was not written; export it otherwise, or use the model itself."
        )


def _require_calm(before: ExportInfo, after: ExportInfo) -> None:
    """Refuse a precision whose rounding is louder than what parts one good picture from another."""
    highest = max(Calibration.from_json(before.calibration).scores)
    if float(np.median(Calibration.from_json(after.calibration).scores)) > highest:
        raise ExportError(
            f"In {after.precision} for {after.format} half of the held-out good pictures score "
            "higher than any of them does in the model itself: defects would be lost in the "
            "rounding. Nothing was written; export in float32, or for another format."
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


def _info(model: Path, format: Format, precision: Precision) -> ExportInfo:  # noqa: A002
    """The metadata, but for the files."""
    manifest = read_manifest(model)
    recipe = bundle_recipe(model, manifest)
    other = load_bundle(model, device=torch.device("cpu"), compiled=False).detector.graph_map
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
        map_range=(other.low, other.high) if other else manifest.map_range,
        files={},
        precision=precision,
        map_meaning=other.meaning if other else "",
    )


def program_of(model: Path) -> ExportedProgram:
    """A saved model as one graph, for batches of any size.

    Args:
        model: Its folder.

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


def _write_onnx(
    program: ExportedProgram, info: ExportInfo, path: Path, ranges: Sequence[Path]
) -> None:
    """ONNX, the metadata in its properties; with pictures for the ranges, in whole numbers."""
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
    converted.model.metadata_props[METADATA] = info.to_text()
    converted.save(str(path))
    if ranges:
        quantize_for_onnxruntime(path, prepared(ranges, info.preparation), module=_BACKBONE)


def _write_openvino(
    program: ExportedProgram, info: ExportInfo, path: Path, ranges: Sequence[Path]
) -> None:
    """OpenVINO's form, the metadata in its runtime information.

    It is made from ONNX: straight from torch, OpenVINO takes some free batches for single pictures.
    """
    library: Any = require("openvino")
    onnx = path.with_suffix(".onnx")
    _write_onnx(program, info, onnx, ())
    graph = library.Core().read_model(str(onnx))
    if ranges:
        pictures = prepared(ranges, info.preparation)
        graph = quantize_for_openvino(graph, onnx, pictures=pictures, module=_BACKBONE)
    graph.set_rt_info(info.to_text(), [METADATA])
    library.save_model(graph, str(path), compress_to_fp16=False)
    onnx.unlink()


def _write_torch(
    program: ExportedProgram, info: ExportInfo, path: Path, _ranges: Sequence[Path]
) -> None:
    """A program of `torch.export`, the metadata among its extra files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own making
        torch.export.save(program, path, extra_files={METADATA: info.to_text()})


_LIBRARIES: Mapping[Format, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "openvino"),
    "torch": (),
}
_WRITERS: Mapping[Format, Callable[[ExportedProgram, ExportInfo, Path, Sequence[Path]], None]] = {
    "onnx": _write_onnx,
    "openvino": _write_openvino,
    "torch": _write_torch,
}
