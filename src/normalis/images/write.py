"""Files that appear whole or not at all: texts, and raw maps that other programs can read."""

import json
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile
from jaxtyping import Float32, UInt16

from normalis.errors import ImageError

__all__ = ["RAW_MAP_SUFFIXES", "is_temporary", "replacing", "write_raw_map", "write_text"]

RAW_MAP_SUFFIXES = (".npy", ".tif", ".tiff")
"""The endings that `write_raw_map` knows."""


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Write a file as a whole or not at all.

    Gives a temporary name in the same folder; at the end of the block that file takes the place of
    ``path``. If the block fails, the temporary file is removed and ``path`` stays as it was; an
    `OSError` names ``path``, unless it names another file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        # A full disk names no file, and the temporary one says nothing to a user.
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Whether a file's name is one that `replacing` gives; a killed process leaves such files."""
    return re.fullmatch(r"\..+\.\d+\.tmp", path.name) is not None


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 as a whole or not at all; the folder is made.

    Bytes of a name in it that are no text are written escaped.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_raw_map(
    scores: Float32[np.ndarray, "h w"], path: Path, *, low: float, high: float
) -> None:
    """Write a map in original pixels, for other programs.

    Args:
        scores: The map, higher is more anomalous.
        path: ``.npy`` keeps the float32 values; ``.tif`` and ``.tiff`` hold 16-bit grey, linear
            from ``low`` (0) to ``high`` (65535) and clipped outside, with the range in the
            ImageDescription as ``{"low": ..., "high": ...}``. Replaced if it exists.
        low: The score that becomes 0.
        high: The score that becomes 65535; more than ``low``.

    Raises:
        ImageError: Another ending, an empty range, or the file cannot be written.
    """
    if path.suffix.lower() not in RAW_MAP_SUFFIXES:
        raise ImageError(f"{path}: raw maps are written as {', '.join(RAW_MAP_SUFFIXES)}.")
    if not low < high:
        raise ImageError(f"{path}: the range [{low}, {high}] of a raw map must not be empty.")
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            if path.suffix.lower() == ".npy":
                np.save(file, scores, allow_pickle=False)
            else:
                description = json.dumps({"low": low, "high": high})
                tifffile.imwrite(
                    file, _to_16_bits(scores, low, high), description=description, metadata=None
                )
    except OSError as error:
        raise ImageError(
            f"{path}: the map cannot be written ({error.strerror or error})."
        ) from error


def _to_16_bits(
    scores: Float32[np.ndarray, "h w"], low: float, high: float
) -> UInt16[np.ndarray, "h w"]:
    share = (np.clip(scores, low, high) - low) / (high - low)
    return np.rint(share * 65535).astype(np.uint16)
