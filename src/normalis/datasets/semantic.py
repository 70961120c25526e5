"""Several classes of small labelled pictures taken as normal, all others as anomalous.

The setting of UniAD (You et al., NeurIPS 2022) on CIFAR-10: one model learns five classes at once,
without labels, and must tell the other five from them. What is unusual is then what a picture
shows, not a spot on it. The pictures are written once as PNG files in the layout of MVTec AD, so
that everything else treats them as any other data set.

Read are the IDX files of MNIST and its kin, compressed or not (Fashion-MNIST comes with Debian's
package `dataset-fashion-mnist`), and the binary version of CIFAR-10.
"""

import gzip
import hashlib
import json
import math
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from normalis.errors import DatasetError, SettingsError

__all__ = ["OneClass", "write_one_class"]

_IDX = ("{}-images-idx3-ubyte", "{}-labels-idx1-ubyte")
_CIFAR_TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_CIFAR_RECORD = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes
_MOST_BYTES = 2**31


@dataclass(frozen=True, kw_only=True)
class OneClass:
    """Which classes are normal, and how many pictures of each are taken.

    Attributes:
        normal: Numbers of the classes that are normal together.
        train: Pictures of each normal class to learn from; 0 for all.
        test: Pictures of each class, normal or not, to test on; 0 for all.
        seed: Of the choice of pictures.
    """

    normal: tuple[int, ...]
    train: int = 0
    test: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what selects nothing."""
        if not self.normal or min(self.normal) < 0 or len(set(self.normal)) < len(self.normal):
            raise SettingsError(
                f"normal is {list(self.normal)}; give numbers of classes, from 0, each once."
            )
        for name in ("train", "test", "seed"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} is {getattr(self, name)}; 0 or more.")


@dataclass(frozen=True)
class _Part:
    """Pictures and the number of each one's class."""

    pictures: UInt8[np.ndarray, "n h w *channels"]
    labels: UInt8[np.ndarray, " n"]


def write_one_class(source: Path, cache: Path, *, choice: OneClass) -> Path:
    """Write the chosen pictures in the layout of MVTec AD, or find them written.

    Args:
        source: The folder of the IDX files, or of CIFAR-10's binary files.
        cache: The folder that holds the data sets made, each in a folder of its own.
        choice: Which classes are normal, and how many pictures are taken.

    Returns:
        The data set's folder: one category, the numbers of whose classes are its name.

    Raises:
        DatasetError: The files are missing or damaged, or a class that is asked for is not there.
    """
    home = cache / _fingerprint(source, choice)
    out = home / source.name
    if home.is_dir():
        return out
    train, test = (_read(source, part) for part in ("train", "t10k"))
    missing = set(choice.normal) - set(train.labels.tolist())
    others = set(test.labels.tolist()) - set(choice.normal)
    if missing or not others:
        raise DatasetError(
            f"{source}: has the classes {sorted(set(train.labels.tolist()))}; of these "
            f"{list(choice.normal)} cannot be the normal ones."
        )
    partial = home.with_name(f"{home.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    place = partial / source.name / f"classes-{'-'.join(map(str, choice.normal))}"
    chance = np.random.default_rng(choice.seed)
    normal = set(choice.normal)
    for row, label in _chosen(train, choice.train, chance):
        if label in normal:
            _save(train.pictures[row], place / "train/good", f"{label}-{row:05}.png")
    for row, label in _chosen(test, choice.test, chance):
        folder = "test/good" if label in normal else f"test/class-{label}"
        _save(test.pictures[row], place / folder, f"{label}-{row:05}.png")
    partial.replace(home)
    return out


def _fingerprint(source: Path, choice: OneClass) -> str:
    """Another choice, or other files, are another data set."""
    try:
        files = [(p.name, p.stat().st_size) for p in sorted(source.iterdir()) if p.is_file()]
    except OSError as error:
        raise DatasetError(f"{source}: cannot be read ({error.strerror}).") from error
    text = json.dumps([asdict(choice), files])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _chosen(part: _Part, most: int, chance: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Row and class of at most so many pictures of each class."""
    for label in np.unique(part.labels).tolist():
        rows: Int[np.ndarray, " n"] = chance.permutation(np.flatnonzero(part.labels == label))
        for row in sorted(rows[: most or None].tolist()):
            yield row, label


def _save(picture: np.ndarray, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(folder / name)


def _read(source: Path, part: str) -> _Part:
    """The pictures of "train" or, as the IDX files call the test, "t10k"."""
    images, labels = (_there(source, form.format(part)) for form in _IDX)
    if images and labels:
        pictures, classes = _read_idx(images), _read_idx(labels)
        if pictures.ndim != 3 or classes.shape != pictures.shape[:1]:
            raise DatasetError(f"{images}: does not fit the labels in {labels.name}.")
        return _Part(pictures, classes)
    names = _CIFAR_TRAIN if part == "train" else ("test_batch.bin",)
    batches = [path for name in names if (path := source / name).is_file()]
    if not batches:
        raise DatasetError(
            f"{source}: holds neither IDX files ({_IDX[0].format('train')}.gz and its kin) nor "
            "CIFAR-10's binary files (data_batch_1.bin); give the folder that does."
        )
    parts = [_read_cifar(path) for path in batches]
    return _Part(
        np.concatenate([part.pictures for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _there(source: Path, name: str) -> Path | None:
    found = (source / name, source / f"{name}.gz")
    return next((path for path in found if path.is_file()), None)


def _read_idx(path: Path) -> UInt8[np.ndarray, "..."]:
    """An array of bytes: two zeros, the type (8), the number of sides, the sides, the values."""
    data = _bytes(path)
    kind, count = data[:3], data[3] if len(data) > 3 else 0
    head = 4 + 4 * count
    sides = tuple(int.from_bytes(data[at : at + 4]) for at in range(4, head, 4))
    if kind != b"\0\0\x08" or count not in (1, 3) or len(data) - head != math.prod(sides):
        raise DatasetError(f"{path}: is not an IDX file of bytes, or is cut short.")
    return np.frombuffer(data, np.uint8, offset=head).reshape(sides)


def _read_cifar(path: Path) -> _Part:
    data = np.frombuffer(_bytes(path), np.uint8)
    if not len(data) or len(data) % _CIFAR_RECORD:
        raise DatasetError(f"{path}: is not a binary file of CIFAR-10, or is cut short.")
    records = data.reshape(-1, _CIFAR_RECORD)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return _Part(planes.transpose(0, 2, 3, 1), records[:, 0])


def _bytes(path: Path) -> bytes:
    """A file's content, unpacked if it is compressed, and never more than 2 GiB of it."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: cannot be read ({error}).") from error
    if len(data) > _MOST_BYTES:
        raise DatasetError(f"{path}: holds more than {_MOST_BYTES:,} bytes.")
    return data
