"""From samples to a table of stored features, each picture's computed once."""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from normalis.ahead import ahead, threads_for
from normalis.backbones.pyramid import AbstractPyramid
from normalis.datasets.sample import Sample
from normalis.errors import ImageError, StoreError
from normalis.features.cache import cache_folder
from normalis.features.meta import StoreMeta, open_store
from normalis.features.store import FeatureStore
from normalis.images.decode import read_picture
from normalis.images.prepare import Preparation, prepare

__all__ = ["FeatureTable", "extract_features"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FeatureTable:
    """Stored features of samples, in the samples' order.

    Attributes:
        store: where the features lie; ``store.shapes`` are the maps' shapes.
        samples: those whose pictures could be read.
        digests: sha256 (hex) of each sample's file.
        skipped: the other samples, each with the reason.
        positions: where in its volume each sample, a slice, lies, in [-1/2, 1/2]; None where the
            samples are no slices, or nobody asks.
    """

    store: FeatureStore
    samples: tuple[Sample, ...]
    digests: tuple[str, ...]
    skipped: tuple[tuple[Sample, str], ...]
    positions: tuple[float, ...] | None = None

    @property
    def shapes(self) -> tuple[tuple[int, int, int], ...]:
        """(channels, rows, columns) of each map of a batch."""
        return self.store.shapes if self.positions is None else (*self.store.shapes, (1, 1, 1))

    def __len__(self) -> int:
        """Return the number of samples that have features."""
        return len(self.samples)

    def batch(self, indices: Sequence[int]) -> list[Float[Tensor, "b _ _ _"]]:
        """Copy the maps of the samples asked for, and of no others, into memory.

        Args:
            indices: positions in ``samples``.

        Returns:
            One float32 tensor per map, NCHW, rows in the order of ``indices``; and where positions
            are known a last one, N111, of these.

        Raises:
            StoreError: features were removed or damaged since the table was made.
        """
        batch = [np.empty((len(indices), *shape), np.float32) for shape in self.store.shapes]
        for row, index in enumerate(indices):
            for level, stored in zip(batch, self.store.read(self.digests[index]), strict=True):
                level[row] = stored
        maps = [torch.from_numpy(level) for level in batch]
        if self.positions is not None:
            places = torch.tensor([self.positions[index] for index in indices])
            maps.append(places.view(-1, 1, 1, 1))
        return maps


@dataclass(frozen=True)
class _Loaded:
    """A file's digest; its pixels if its features are missing; the reason if it is broken."""

    digest: str = ""
    pixels: Float32[np.ndarray, "3 h w"] | None = None
    reason: str | None = None


def extract_features(
    samples: Sequence[Sample],
    *,
    pyramid: AbstractPyramid,
    preparation: Preparation,
    cache: Path | None = None,
    batch_size: int = 8,
    strict: bool = False,
    progress: Progress | None = None,
) -> FeatureTable:
    """Make sure that every readable sample has features in the store.

    What is stored already is not computed again, so an interrupted run goes on where it stopped;
    truncated or foreign files are computed anew. Pictures are decoded ahead of the network, never
    more than two batches of them. Several processes may extract the same samples at once.

    Args:
        samples: what to describe.
        pyramid: the frozen network; pictures go to its device.
        preparation: how pictures are made to fit.
        cache: the folder of all stores; None is ``cache_folder()``.
        batch_size: pictures that pass through the network together.
        strict: raise on the first broken picture instead of skipping it.
        progress: called with (samples done, samples in all), the latter also at the very end.

    Returns:
        The table, in the samples' order, without those that were skipped.

    Raises:
        ImageError: a picture is broken, with ``strict``.
        SettingsError: the network cannot take pictures of the prepared size.
        StoreError: the cache cannot be written, or the disk cannot hold the features.
    """
    store = _open(cache or cache_folder(), pyramid, preparation)
    _require_room(store, len(samples))
    kept: list[tuple[Sample, str]] = []
    skipped: list[tuple[Sample, str]] = []
    pending: dict[str, Float32[np.ndarray, "3 h w"]] = {}

    def load(sample: Sample) -> _Loaded:
        return _load(sample.path, store, preparation, strict=strict)

    read = ahead(samples, load, threads=threads_for(None), most=batch_size)
    for done, (sample, loaded) in enumerate(zip(samples, read, strict=True), start=1):
        if loaded.reason is not None:
            skipped.append((sample, loaded.reason))
        else:
            kept.append((sample, loaded.digest))
        if loaded.pixels is not None:
            pending[loaded.digest] = loaded.pixels
        if len(pending) == batch_size or done == len(samples):
            _compute(pending, pyramid, store)
            pending.clear()
        if progress is not None:
            progress(done, len(samples))
    return FeatureTable(store, tuple(s for s, _ in kept), tuple(d for _, d in kept), tuple(skipped))


def _open(cache: Path, pyramid: AbstractPyramid, preparation: Preparation) -> FeatureStore:
    """Open the store of a pyramid and a preparation, without what killed processes left in it."""
    meta = StoreMeta(
        backbone=pyramid.name,
        fingerprint=pyramid.fingerprint,
        preparation=asdict(preparation),
        shapes=pyramid.shapes(preparation.height, preparation.width),
    )
    store = open_store(cache, meta)
    store.sweep()
    return store


def _require_room(store: FeatureStore, pictures: int) -> None:
    """Refuse to start what cannot end: even if all that is stored is of use, the rest is too big.

    Samples with equal content share one file, so this counts a little too much for data with
    very many exact duplicates.
    """
    missing = max(0, pictures - sum(1 for _ in store.digests()))
    need, free = missing * store.bytes_per_picture, shutil.disk_usage(store.folder).free
    if need > free:
        raise StoreError(
            f"The features of {missing} pictures need {need / 1e9:.1f} GB, but the disk of the "
            f"cache {store.folder} has {free / 1e9:.1f} GB free; make room, clear the cache with "
            "`normalis cache`, or move it with the variable NORMALIS_CACHE."
        )


def _load(path: Path, store: FeatureStore, preparation: Preparation, *, strict: bool) -> _Loaded:
    """Hash a file, and decode it if its features are missing."""
    try:
        digest = _digest(path)
        if store.has(digest):
            return _Loaded(digest)
        return _Loaded(digest, pixels=prepare(read_picture(path), preparation).pixels)
    except ImageError as error:
        if strict:
            raise
        return _Loaded(reason=str(error))


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImageError(f"{path}: the file cannot be read ({error.strerror}).") from error


def _compute(
    pending: dict[str, Float32[np.ndarray, "3 h w"]], pyramid: AbstractPyramid, store: FeatureStore
) -> None:
    """Run the network on the pictures that have no features yet, and store what it says."""
    if not pending:
        return
    pixels = torch.from_numpy(np.stack(list(pending.values()))).to(pyramid.device)
    with torch.inference_mode():
        maps = [level.cpu().numpy() for level in pyramid(pixels)]
    for row, digest in enumerate(pending):
        store.write(digest, [level[row] for level in maps])
