"""In which numbers an exported model computes, and where. Nothing here needs torch."""

from collections.abc import Mapping

from normalis.errors import ExportError
from normalis.export.info import Format, Precision

__all__ = ["check_precision"]

# onnxruntime has no bfloat16 for processors.
_OF_FORMAT: Mapping[Format, tuple[Precision, ...]] = {
    "onnx": ("float32", "int8"),
    "openvino": ("float32", "bf16", "int8"),
    "torch": ("float32",),
}


def check_precision(target: Format, precision: Precision, *, has_pictures: bool) -> None:
    """Refuse what makes no sense, before any work.

    Args:
        target: The format.
        precision: What it computes in.
        has_pictures: Whether the model's own pictures are given.

    Raises:
        ExportError: One that the runtime does not have, or a coarser one
            without the pictures that it must be calibrated on anew.
    """
    if precision not in _OF_FORMAT[target]:
        formats = [name for name, known in _OF_FORMAT.items() if precision in known]
        raise ExportError(
            f"A model for {target} computes in {' or '.join(_OF_FORMAT[target])}; {precision} is "
            f"for --format {' or '.join(formats)}."
        )
    if precision != "float32" and not has_pictures:
        raise ExportError(
            f"In {precision} a model scores otherwise, so its thresholds are measured anew: give "
            "the pictures that it was fitted on with --pictures."
        )
    if precision == "float32" and has_pictures:
        raise ExportError(
            "In float32 a model keeps its scores and thresholds: --pictures is for --precision "
            "bf16 and int8."
        )
