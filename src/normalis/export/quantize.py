"""Whole numbers of eight bits in the place of a backbone's weights and maps."""

import logging
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float32

from normalis.errors import ExportError
from normalis.export.runtimes import INPUT, require

__all__ = ["quantize_for_onnxruntime", "quantize_for_openvino"]

# The first convolutions stay as they are: the ranges of their channels differ so much that eight
# bits leave nothing of the narrow ones, and anomalies are not told any more (experiments/LOG.md).
_FIRST_IN_FLOAT = 3


@final
class _Feed:
    """Pictures, as onnxruntime's calibration asks for them."""

    def __init__(self, pictures: Iterable[Float32[np.ndarray, "1 3 h w"]]) -> None:
        self._pictures: Iterator[np.ndarray] = iter(pictures)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next picture, None behind the last."""
        pixels = next(self._pictures, None)
        return None if pixels is None else {INPUT: pixels}


def quantize_for_onnxruntime(
    path: Path, pictures: Iterable[Float32[np.ndarray, "1 3 h w"]], *, module: str
) -> None:
    """Rewrite an ONNX graph with the backbone's convolutions in eight bits (QDQ).

    Weights have a scale for each channel. The ranges are the least and the highest values that the
    pictures give. Weights use seven of the eight bits, so that no sum overflows on processors
    without VNNI: elsewhere the same graph would answer otherwise than it was calibrated to.

    Args:
        path: The graph, which is replaced.
        pictures: Some that the model learned from.
        module: The backbone's name in the exported module.

    Raises:
        ExportError: The backbone has hardly a convolution, as a vision transformer.
    """
    onnx: Any = require("onnx")
    library: Any = require("onnxruntime.quantization")
    library.quantize_static(
        onnx.load(str(path)),
        str(path),
        _Feed(pictures),
        quant_format=library.QuantFormat.QDQ,
        activation_type=library.QuantType.QUInt8,
        weight_type=library.QuantType.QInt8,
        op_types_to_quantize=["Conv"],
        nodes_to_quantize=_chosen(path, module),
        per_channel=True,
        reduce_range=True,
    )


def quantize_for_openvino(
    graph: Any,  # noqa: ANN401 (OpenVINO's own kind of thing)
    path: Path,
    *,
    pictures: Iterable[Float32[np.ndarray, "1 3 h w"]],
    module: str,
) -> Any:  # noqa: ANN401
    """An OpenVINO graph with the backbone's convolutions in eight bits.

    By OpenVINO's own NNCF, whose scales its kernels compute as they are meant; those of
    onnxruntime's graph they do not (experiments/LOG.md). What rounding shifts in the mean of a
    channel is put into its bias.

    Args:
        graph: The graph, read from ONNX.
        path: That ONNX.
        pictures: Some that the model learned from.
        module: The backbone's name in the exported module.

    Raises:
        ExportError: NNCF is not installed, or the backbone has hardly a convolution.
    """
    with _unobserved():
        library: Any = require("nncf")
    library.set_log_level(logging.ERROR)
    chosen = {f"{name}{end}" for name in _chosen(path, module) for end in ("", "/WithoutBiases")}
    names = [operation.get_friendly_name() for operation in graph.get_ops()]
    ranges = list(pictures)
    with redirect_stdout(StringIO()):  # which it would fill with bars
        return library.quantize(
            graph,
            library.Dataset(ranges),
            subset_size=len(ranges),
            ignored_scope=library.IgnoredScope(
                names=[name for name in names if name not in chosen], validate=False
            ),
        )


@contextmanager
def _unobserved() -> Generator[None]:
    """NNCF reports its use to its makers unless it is told not to, which it reads on import."""
    name, before = "NNCF_CI", os.environ.get("NNCF_CI")
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _chosen(path: Path, module: str) -> list[str]:
    """The convolutions that bear eight bits.

    Raises:
        ExportError: There is none.
    """
    onnx: Any = require("onnx")
    chosen = _convolutions(onnx.load(str(path)), module)[_FIRST_IN_FLOAT:]
    if not chosen:  # onnxruntime would take none for all
        raise ExportError(
            "int8 is for the convolutions of a backbone, behind its third, and this one has none; "
            "export for openvino in bf16."
        )
    return chosen


def _convolutions(graph: Any, module: str) -> list[str]:  # noqa: ANN401
    """The convolutions that were exported from a module, in the order of their work."""
    names: list[str] = []
    for node in graph.graph.node:
        origin = {entry.key: entry.value for entry in node.metadata_props}
        if f"{module}: " in origin.get("namespace", "") and node.op_type == "Conv":
            names.append(node.name)
    return names
