"""The programs that run exported graphs, each imported when it is asked for."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float32, Int64

from normalis.errors import BundleError, ExportError
from normalis.export.info import GRAPHS, Format, Precision

__all__ = [
    "INPUT",
    "OUTPUTS",
    "AbstractRuntime",
    "Outputs",
    "open_runtime",
    "require",
    "require_cpu",
]

INPUT = "pixels"
OUTPUTS = ("map", "score", "p_value", "concept", "concept_probability")
"""What a graph gives, in this order; the last only where the method says how sure a concept is."""

# What to install for a library.
_EXTRAS: Mapping[str, str] = {
    "onnxruntime": "runtime",
    "onnxruntime.quantization": "deploy",
    "openvino": "deploy",
    "onnx": "deploy",
    "onnxscript": "deploy",
    "nncf": "deploy",
    "torch": "train",
}


@dataclass(frozen=True)
class Outputs:
    """What a graph says of a batch of prepared pictures.

    Attributes:
        map: `b h w`, higher is more anomalous.
        score: `b`.
        p_value: `b`.
        concept: `b`.
        concept_probability: `b`, or None where the method is silent.
    """

    map: Float32[np.ndarray, "b h w"]
    score: Float32[np.ndarray, " b"]
    p_value: Float32[np.ndarray, " b"]
    concept: Int64[np.ndarray, " b"]
    concept_probability: Float32[np.ndarray, " b"] | None = None


class AbstractRuntime(ABC):
    """A graph, ready to run."""

    @abstractmethod
    def run(self, pixels: Float32[np.ndarray, "b 3 h w"]) -> Outputs:
        """The outputs for a batch of prepared pictures."""


@final
class OnnxRuntime(AbstractRuntime):
    """A graph in ONNX, run by onnxruntime.

    Args:
        path: The graph.
        threads: Processor cores to use; None leaves it to the runtime.
    """

    def __init__(self, path: Path, *, threads: int | None) -> None:
        library: Any = require("onnxruntime")
        options = library.SessionOptions()
        options.intra_op_num_threads = threads or 0
        self._session = library.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def run(self, pixels: Float32[np.ndarray, "b 3 h w"]) -> Outputs:
        """The outputs for a batch."""
        return _outputs(self._session.run(None, {INPUT: pixels}))


@final
class OpenVino(AbstractRuntime):
    """A graph in OpenVINO's form.

    Args:
        path: The graph.
        threads: Processor cores to use; None leaves it to the runtime.
        precision: What it computes in.

    Raises:
        ExportError: This processor has no such numbers.
    """

    def __init__(self, path: Path, *, threads: int | None, precision: Precision) -> None:
        library: Any = require("openvino")
        core = library.Core()
        if precision == "bf16" and "BF16" not in core.get_property(
            "CPU", "OPTIMIZATION_CAPABILITIES"
        ):
            raise ExportError(
                f"{path}: computes in bfloat16, in which its thresholds were measured, and this "
                "processor cannot; export the model in float32 or int8."
            )
        # Left to itself it computes in bfloat16 where the processor can.
        hint = "bf16" if precision == "bf16" else "f32"
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": hint}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._graph = core.compile_model(str(path), "CPU", settings)

    def run(self, pixels: Float32[np.ndarray, "b 3 h w"]) -> Outputs:
        """The outputs for a batch."""
        return _outputs(self._graph({INPUT: pixels}).values())


@final
class TorchProgram(AbstractRuntime):
    """A program of `torch.export`.

    Args:
        path: The program.
        threads: Processor cores to use; None leaves it to torch.
    """

    def __init__(self, path: Path, *, threads: int | None) -> None:
        library: Any = require("torch")
        if threads:
            library.set_num_threads(threads)
        self._torch = library
        self._program = library.export.load(str(path)).module()

    def run(self, pixels: Float32[np.ndarray, "b 3 h w"]) -> Outputs:
        """The outputs for a batch."""
        with self._torch.inference_mode():
            outputs = self._program(self._torch.from_numpy(pixels))
        return _outputs(out.numpy() for out in outputs)


def open_runtime(
    folder: Path,
    format: Format,  # noqa: A002
    *,
    precision: Precision = "float32",
    threads: int | None,
) -> AbstractRuntime:
    """The runtime of a format with the graph in this folder.

    Raises:
        ExportError: The runtime is not installed, and the extra to install is named; or this
            processor has no numbers of this precision.
        BundleError: The runtime cannot read the graph.
    """
    path = folder / GRAPHS[format]
    try:
        if format == "openvino":
            return OpenVino(path, threads=threads, precision=precision)
        return (OnnxRuntime if format == "onnx" else TorchProgram)(path, threads=threads)
    except ExportError:
        raise
    except Exception as error:  # every runtime has errors of its own kind
        reason = " ".join(str(error).split())
        raise BundleError(f"{path}: cannot be run: {reason}") from error


def require_cpu(model: Path | str, device: str) -> None:
    """Refuse another device than the one on which exported models run.

    Raises:
        ExportError: Neither "cpu" nor "auto".
    """
    if device not in ("auto", "cpu"):
        raise ExportError(f"{model}: an exported model runs on the cpu; give no other device.")


def require(library: str) -> Any:  # noqa: ANN401
    """An optional library.

    Raises:
        ExportError: It is not installed; the extra that has it is named.
    """
    try:
        return import_module(library)
    except ImportError as error:
        extra = _EXTRAS[library]
        raise ExportError(
            f"This needs {library}, which is not installed: pip install 'normalis[{extra}]'."
        ) from error


def _outputs(arrays: Iterable[np.ndarray]) -> Outputs:
    """The outputs in their order, copied: the next run of some runtimes overwrites them."""
    maps, score, p_value, concept, *sure = map(np.array, arrays)
    return Outputs(maps, score, p_value, concept.astype(np.int64), *sure)
