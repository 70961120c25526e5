"""The pictures that a model was made from, found again by the bytes of their files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from pydantic import TypeAdapter

from normalis.bundle.load import bundle_recipe, picture_uses
from normalis.bundle.manifest import read_manifest
from normalis.bundle.sealed import file_digest
from normalis.calibration import Calibration, CalibrationSettings
from normalis.datasets.union import open_union
from normalis.errors import ExportError
from normalis.images.decode import read_picture
from normalis.images.prepare import Preparation, prepare

__all__ = ["MadeFrom", "made_from", "prepared"]


@dataclass(frozen=True)
class MadeFrom:
    """Files of a model's pictures.

    Attributes:
        train: The detector learned from these; in an order of chance.
        held_out: All that calibrate its decisions.
        groups: The part, patient or lot that each of these shows, as a number; () where each shows
            its own.
        settings: How they do.
    """

    train: tuple[Path, ...]
    held_out: tuple[Path, ...]
    groups: tuple[int, ...]
    settings: CalibrationSettings


def made_from(model: Path, data: Sequence[Path]) -> MadeFrom:
    """Look for a model's pictures.

    Args:
        model: A model whose files were checked.
        data: Folders or manifests that it was fitted on; what else they hold is left out.

    Raises:
        ExportError: A held-out picture, or every training picture, is missing.
        DatasetError: No pictures.
        BundleError: A picture cannot be read.
    """
    paths = {file_digest(sample.path): sample.path for sample in open_union(data).samples}
    uses = picture_uses(model)
    train = tuple(paths[d] for d, use in sorted(uses.items()) if use == "train" and d in paths)
    wanted = [digest for digest, use in uses.items() if use == "calibration"]
    held_out = tuple(paths[digest] for digest in wanted if digest in paths)
    if not train or len(held_out) < len(wanted):
        raise ExportError(
            f"{' + '.join(map(str, data))}: holds {len(held_out)} of the {len(wanted)} pictures "
            f"that were held out for the thresholds of {model}, and {len(train)} that it learned "
            "from; give the pictures that it was fitted on, as they were."
        )
    manifest = read_manifest(model)
    groups = Calibration.from_json(manifest.calibration).groups
    return MadeFrom(train, held_out, groups, bundle_recipe(model, manifest).calibration)


def prepared(
    paths: Sequence[Path], preparation: dict[str, Any]
) -> Iterator[Float32[np.ndarray, "1 3 h w"]]:
    """The pictures as the graph takes them, one after another.

    Raises:
        ImageError: One cannot be read.
    """
    settings = TypeAdapter(Preparation).validate_python(preparation)
    for path in paths:
        yield prepare(read_picture(path), settings).pixels[None]
