"""What an exported model says of itself. Nothing here needs torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from normalis.bundle.sealed import Kind, check_digests, parsed, read_sealed, sealed_text
from normalis.errors import BundleError

__all__ = [
    "EXPORT",
    "FORMATS",
    "GRAPHS",
    "PRECISIONS",
    "ExportInfo",
    "Format",
    "Precision",
    "is_export",
    "read_export",
]

Format = Literal["onnx", "openvino", "torch"]
FORMATS: tuple[Format, ...] = ("onnx", "openvino", "torch")

Precision = Literal["float32", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("float32", "bf16", "int8")

# The file that holds the graph of each format.
GRAPHS: Mapping[str, str] = {"onnx": "model.onnx", "openvino": "model.xml", "torch": "model.pt2"}

EXPORT = Kind(
    name="normalis-export",
    schema=1,
    file="export.json",
    noun="exported model",
    command="'normalis export --out'",
    remedy="Export the model anew, or restore it from a copy.",
)


@dataclass(frozen=True)
class ExportInfo:
    """The metadata of an exported model.

    The graph's input is `pixels`, `b 3 h w` float32 RGB in [0, 1], prepared as `preparation` says;
    `b` is free. Its outputs are `map`, `b h w` float32 (higher is more anomalous); `score`, `b`
    float32; `p_value`, `b` float32, against the calibration here; `concept`, `b` int64; and, for
    methods that say how sure the concept is, `concept_probability`, `b` float32.

    Attributes:
        version: Of normalis, when it was exported.
        format: Which runtime the graph is for.
        preset: That the model was fitted with.
        backbone: Name of the network inside.
        source: sha256 of the manifest of the model that was exported.
        preparation: How pictures come to the graph's size.
        concepts: How many concepts the model may name.
        concept_names: What they are called, where that is known.
        calibration: The held-out scores that this very graph gives, from which thresholds and
            p-values come.
        map_range: Usual and high value of the maps.
        files: sha256 of every file of the graph; empty in the copy inside the graph itself.
        precision: The numbers that it computes in; in `int8` those of the backbone alone.
        map_meaning: What the map is where it is not the model's own, a clause.
    """

    version: str
    format: Format
    preset: str
    backbone: str
    source: str
    preparation: dict[str, Any]
    concepts: int
    concept_names: tuple[str, ...]
    calibration: dict[str, Any]
    map_range: tuple[float, float]
    files: dict[str, str]
    precision: Precision = "float32"
    map_meaning: str = ""

    def to_text(self) -> str:
        """JSON with the schema's number, and a seal over all the rest."""
        return sealed_text(EXPORT, asdict(self))


def is_export(path: Path) -> bool:
    """Whether a path is meant as an exported model: its folder, or the file of its graph."""
    return (path / EXPORT.file).is_file() or path.suffix in (".onnx", ".xml", ".pt2")


def read_export(path: Path) -> tuple[Path, ExportInfo]:
    """The folder of an exported model and its metadata; every file is checked.

    Args:
        path: The folder, or the graph in it.

    Raises:
        BundleError: There are no metadata, they are of a newer schema, or a file was changed.
    """
    folder = path if path.is_dir() else path.parent
    info = parsed(read_sealed(folder, EXPORT), ExportInfo, path=folder / EXPORT.file, kind=EXPORT)
    check_digests(folder, info.files, kind=EXPORT)
    if GRAPHS[info.format] not in info.files:
        raise BundleError(
            f"{folder / EXPORT.file}: does not name {GRAPHS[info.format]}. {EXPORT.remedy}"
        )
    return folder, info
