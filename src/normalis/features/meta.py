"""What a folder of features holds: which backbone, which preparation, which shapes."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from normalis.features.store import FeatureStore, replace_file

__all__ = ["FORMAT", "META_NAME", "StoreMeta", "open_store", "read_meta"]

FORMAT = 2
"""Raised whenever the same picture, backbone and preparation would give other stored values."""

META_NAME = "meta.json"
KIND = "normalis features"

Plain = bool | int | float | str | None


@dataclass(frozen=True)
class StoreMeta:
    """The identity of a store.

    Attributes:
        backbone: the architecture, for people.
        fingerprint: the pyramid's, which stands for weights and settings.
        preparation: the settings by which pictures were made to fit.
        shapes: (channels, rows, columns) of each map.
    """

    backbone: str
    fingerprint: str
    preparation: Mapping[str, Plain]
    shapes: tuple[tuple[int, int, int], ...]

    @property
    def key(self) -> str:
        """The store's folder name: equal for equal features, different for all others."""
        decisive = [FORMAT, self.fingerprint, dict(self.preparation)]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:32]


def open_store(cache: Path, meta: StoreMeta) -> FeatureStore:
    """Return the store of a backbone and preparation, writing its description if needed.

    Raises:
        StoreError: the cache folder cannot be written or is full.
    """
    folder = cache / meta.key
    if read_meta(folder) != meta:
        described = {"kind": KIND, "format": FORMAT, **asdict(meta)}
        content = json.dumps(described, indent=2, sort_keys=True).encode()
        replace_file(folder / META_NAME, content, partial_folder=folder)
    return FeatureStore(folder, meta.shapes)


def read_meta(folder: Path) -> StoreMeta | None:
    """Read a folder's description; None if it is not a store of this format, whole and unmoved."""
    try:
        described: Any = json.loads((folder / META_NAME).read_text(encoding="utf-8"))
        if described["kind"] != KIND or described["format"] != FORMAT:
            return None
        meta = StoreMeta(
            backbone=str(described["backbone"]),
            fingerprint=str(described["fingerprint"]),
            preparation=dict(described["preparation"]),
            shapes=tuple((int(c), int(h), int(w)) for c, h, w in described["shapes"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return meta if meta.key == folder.name else None
