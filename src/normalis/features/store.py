"""Backbone features on disk: computed once for a picture, read memory-mapped ever after."""

import errno
import io
import os
import time
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import final
from uuid import uuid4

import numpy as np
from jaxtyping import Float32

from normalis.errors import StoreError

__all__ = ["FeatureStore", "is_partial", "replace_file"]

PARTIAL_PREFIX = ".partial-"
ABANDONED_AFTER = 3600.0  # seconds; nobody takes that long to write one file
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@final
class FeatureStore:
    """One folder of features, all of one backbone and one preparation; one file per picture.

    A picture's file is ``<folder>/<first two digits>/<digest>.npy``: its maps one after another,
    flat float32. Each is written under a temporary name and renamed, so that any number of
    processes may write and read at once, and one that is killed leaves no half-written features.
    Nothing is rounded: features that a runtime rounds to the other side of an edge move its maps
    by a thousandth and more.

    Args:
        folder: where the files lie; it is made when the first is written.
        shapes: (channels, rows, columns) of each map of a picture.
    """

    def __init__(self, folder: Path, shapes: tuple[tuple[int, int, int], ...]) -> None:
        self.folder = folder
        self.shapes = shapes
        self._ends = np.cumsum([prod(shape) for shape in shapes]).tolist()

    @property
    def bytes_per_picture(self) -> int:
        """Bytes of one picture's features, without the file's short header."""
        return self._ends[-1] * np.dtype(np.float32).itemsize

    def path(self, digest: str) -> Path:
        """Return the file of a picture, given the sha256 (hex) of the picture's own file."""
        return self.folder / digest[:2] / f"{digest}.npy"

    def has(self, digest: str) -> bool:
        """Whether a picture's features are there and whole; a truncated or foreign file is not."""
        return self._open(digest) is not None

    def read(self, digest: str) -> list[Float32[np.ndarray, "_ _ _"]]:
        """Return a picture's maps, CHW float32: read-only views into the mapped file.

        Raises:
            StoreError: the file is missing, truncated or foreign.
        """
        flat = self._open(digest)
        if flat is None:
            raise StoreError(
                f"The features {self.path(digest)} are missing or damaged, perhaps because the "
                "cache was cleared meanwhile; start again to recompute them."
            )
        pieces = np.split(flat, self._ends[:-1])
        return [piece.reshape(shape) for piece, shape in zip(pieces, self.shapes, strict=True)]

    def write(self, digest: str, maps: Sequence[Float32[np.ndarray, "_ _ _"]]) -> None:
        """Store a picture's maps, CHW float32.

        Raises:
            StoreError: the folder cannot be written or is full, or a value is infinite or NaN.
        """
        assert tuple(level.shape for level in maps) == self.shapes
        flat = np.concatenate([level.reshape(-1) for level in maps])
        if not np.isfinite(flat).all():
            raise StoreError(
                f"The features for {self.folder} hold infinite or NaN values; "
                "the backbone's weights do not suit its architecture, or are damaged."
            )
        content = io.BytesIO()
        np.save(content, flat)
        replace_file(self.path(digest), content.getvalue(), partial_folder=self.folder)

    def digests(self) -> Iterator[str]:
        """Yield the digest of every picture that has a file, whole or not, in no order."""
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*.npy"):
            if len(path.stem) == 64 and path.stem.startswith(path.parent.name):
                yield path.stem

    def sweep(self) -> None:
        """Remove temporary files that a killed process left more than an hour ago."""
        for path in self.folder.glob(f"{PARTIAL_PREFIX}*"):
            try:
                if time.time() - path.stat().st_mtime > ABANDONED_AFTER:
                    path.unlink()
            except OSError:  # another process was quicker, or it is not ours to remove
                continue

    def _open(self, digest: str) -> Float32[np.ndarray, " n"] | None:
        try:
            flat = np.load(self.path(digest), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        fits = isinstance(flat, np.memmap) and flat.shape == (self._ends[-1],)
        return flat if fits and flat.dtype == np.float32 else None


def is_partial(path: Path) -> bool:
    """Whether a file is one of the store's temporary ones."""
    return path.name.startswith(PARTIAL_PREFIX)


def replace_file(path: Path, content: bytes, *, partial_folder: Path) -> None:
    """Write a file under a temporary name and rename it, so that it is whole or not there.

    Args:
        path: the file to be.
        content: its bytes.
        partial_folder: where the temporary file lies, on the same disk.

    Raises:
        StoreError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    partial = partial_folder / f"{PARTIAL_PREFIX}{os.getpid()}-{uuid4().hex}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        what = "is full" if error.errno in NO_ROOM else "cannot be written"
        raise StoreError(
            f"The feature cache {partial_folder} {what} ({error.strerror or error}); make room, "
            "clear it with `normalis cache`, or move it with the variable NORMALIS_CACHE."
        ) from error
    finally:
        _remove(partial)


def _remove(partial: Path) -> None:
    try:
        partial.unlink(missing_ok=True)
    except OSError:  # the error that matters is already on its way
        return
