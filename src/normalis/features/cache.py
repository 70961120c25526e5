"""The folder that holds all feature stores: where it is, what is in it, and clearing it."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from normalis.errors import StoreError
from normalis.features.meta import META_NAME, StoreMeta, read_meta
from normalis.features.store import FeatureStore, is_partial

__all__ = ["StoreInfo", "cache_folder", "clear_cache", "list_stores"]

VARIABLE = "NORMALIS_CACHE"


@dataclass(frozen=True)
class StoreInfo:
    """One store in the cache.

    Attributes:
        key: the name of its folder.
        backbone: the architecture.
        preparation: its settings in words, "height=320, width=320, fit=squash".
        pictures: how many pictures have features.
        bytes: what its files take on disk.
    """

    key: str
    backbone: str
    preparation: str
    pictures: int
    bytes: int


def cache_folder() -> Path:
    """Return ``$NORMALIS_CACHE``, or ``normalis`` in the platform's folder for caches."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "normalis"


def list_stores(cache: Path) -> tuple[StoreInfo, ...]:
    """Describe every store in a cache folder, sorted by backbone and key; other files are ignored.

    Raises:
        StoreError: the folder exists but cannot be read.
    """
    stores = [_info(folder, meta) for folder, meta in _stores(cache)]
    return tuple(sorted(stores, key=lambda info: (info.backbone, info.key)))


def clear_cache(cache: Path, *, key: str | None = None) -> int:
    """Remove all stores, or one; files that normalis did not write stay where they are.

    Returns:
        The bytes freed.

    Raises:
        StoreError: there is no store of that key, or a file cannot be removed.
    """
    stores = [(folder, meta) for folder, meta in _stores(cache) if key in {None, folder.name}]
    if key is not None and not stores:
        keys = ", ".join(info.key for info in list_stores(cache)) or "none"
        raise StoreError(f"The cache {cache} has no store {key}; it has: {keys}.")
    try:
        return sum(_clear(folder, meta) for folder, meta in stores)
    except OSError as error:
        raise StoreError(f"The cache {cache} cannot be cleared: {error}.") from error


def _stores(cache: Path) -> list[tuple[Path, StoreMeta]]:
    try:
        folders = [path for path in cache.iterdir() if path.is_dir() and not path.is_symlink()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"The cache {cache} cannot be read: {error}.") from error
    described = [(folder, read_meta(folder)) for folder in sorted(folders)]
    return [(folder, meta) for folder, meta in described if meta is not None]


def _own_files(folder: Path, meta: StoreMeta) -> Iterator[Path]:
    """Yield a store's files, the description last, so that an interrupted clearing can go on."""
    store = FeatureStore(folder, meta.shapes)
    yield from (store.path(digest) for digest in store.digests())
    yield from (path for path in folder.iterdir() if is_partial(path))
    yield folder / META_NAME


def _info(folder: Path, meta: StoreMeta) -> StoreInfo:
    return StoreInfo(
        key=folder.name,
        backbone=meta.backbone,
        preparation=", ".join(f"{name}={value}" for name, value in meta.preparation.items()),
        pictures=sum(1 for _ in FeatureStore(folder, meta.shapes).digests()),
        bytes=sum(_size(path) for path in _own_files(folder, meta)),
    )


def _size(path: Path) -> int:
    """A file's bytes, or none if another process has just removed it."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _clear(folder: Path, meta: StoreMeta) -> int:
    freed = 0
    for path in list(_own_files(folder, meta)):
        freed += _size(path)
        path.unlink(missing_ok=True)
    for emptied in [*folder.glob("[0-9a-f][0-9a-f]"), folder]:
        if emptied.is_dir() and not any(emptied.iterdir()):
            emptied.rmdir()
    return freed
