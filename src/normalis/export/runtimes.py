"""The programs that run exported graphs, each imported when it is asked for."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float32

from normalis.errors import BundleError, ExportError
from normalis.export.info import GRAPHS, Format

__all__ = ["INPUT", "OUTPUTS", "AbstractRuntime", "open_runtime", "require"]

INPUT = "pixels"
OUTPUTS = ("map", "score", "p_value", "concept")

# What to install for a library.
_EXTRAS: Mapping[str, str] = {
    "onnxruntime": "runtime",
    "openvino": "deploy",
    "onnx": "deploy",
    "onnxscript": "deploy",
    "torch": "train",
}


class AbstractRuntime(ABC):
    """A graph, ready to run."""

    @abstractmethod
    def run(self, pixels: Float32[np.ndarray, "b 3 h w"]) -> list[np.ndarray]:
        """The outputs for a batch of prepared pictures, in the order of `OUTPUTS`."""


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

    def run(self, pixels: Float32[np.ndarray, "b 3 h w"]) -> list[np.ndarray]:
        """The outputs for a batch."""
        return self._session.run(list(OUTPUTS), {INPUT: pixels})


@final
class OpenVino(AbstractRuntime):
    """A graph in OpenVINO's form.

    Args:
        path: The graph.
        threads: Processor cores to use; None leaves it to the runtime.
    """

    def __init__(self, path: Path, *, threads: int | None) -> None:
        library: Any = require("openvino")
        # Left to itself it computes in bfloat16 where the processor can.
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        self._graph = library.Core().compile_model(str(path), "CPU", settings)

    def run(self, pixels: Float32[np.ndarray, "b 3 h w"]) -> list[np.ndarray]:
        """The outputs for a batch."""
        answer = self._graph({INPUT: pixels})
        return [np.array(answer[name]) for name in OUTPUTS]


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

    def run(self, pixels: Float32[np.ndarray, "b 3 h w"]) -> list[np.ndarray]:
        """The outputs for a batch."""
        with self._torch.inference_mode():
            return [out.numpy() for out in self._program(self._torch.from_numpy(pixels))]


def open_runtime(folder: Path, format: Format, *, threads: int | None) -> AbstractRuntime:  # noqa: A002
    """The runtime of a format with the graph in this folder.

    Raises:
        ExportError: The runtime is not installed; the extra to install is named.
        BundleError: The runtime cannot read the graph.
    """
    kinds = {"onnx": OnnxRuntime, "openvino": OpenVino, "torch": TorchProgram}
    path = folder / GRAPHS[format]
    try:
        return kinds[format](path, threads=threads)
    except ExportError:
        raise
    except Exception as error:  # every runtime has errors of its own kind
        reason = " ".join(str(error).split())
        raise BundleError(f"{path}: cannot be run: {reason}") from error


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
