"""Several classes normal, the rest anomalous: from packed arrays to a data set of pictures."""

import gzip
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from normalis.datasets import open_dataset
from normalis.datasets.semantic import OneClass, write_one_class
from normalis.errors import DatasetError, SettingsError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def idx(array: np.ndarray) -> bytes:
    """The format as its author states it: magic number, sizes big-endian, the bytes."""
    sizes = b"".join(int(side).to_bytes(4, "big") for side in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def made(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    pictures = generator.integers(0, 256, (count, 5, 7), dtype=np.uint8)
    return pictures, np.arange(count, dtype=np.uint8) % 10


def write_idx(folder: Path, *, packed: bool = False) -> Path:
    folder.mkdir()
    for part, count, seed in (("train", 60, 0), ("t10k", 40, 1)):
        pictures, labels = made(count, seed=seed)
        for kind, array in (("images-idx3", pictures), ("labels-idx1", labels)):
            path = folder / f"{part}-{kind}-ubyte"
            if packed:
                path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(idx(array)))
            else:
                path.write_bytes(idx(array))
    return folder


def write_cifar(folder: Path) -> Path:
    folder.mkdir()
    for number, name in enumerate(
        [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]
    ):
        generator = np.random.default_rng(number)
        records = generator.integers(0, 256, (20, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(20) % 10
        (folder / name).write_bytes(records.tobytes())
    return folder


def counts(folder: Path) -> Counter[tuple[str, str | None]]:
    return Counter((s.split, s.defect) for s in open_dataset(folder, layout="mvtec").samples)


@pytest.mark.parametrize("packed", [False, True])
def test_every_picture_has_its_pixels_and_its_place(tmp_path: Path, *, packed: bool) -> None:
    source = write_idx(tmp_path / "made", packed=packed)
    out = write_one_class(source, tmp_path / "cache", choice=OneClass(normal=(1, 8)))
    others = {("test", f"class-{n}"): 4 for n in (0, 2, 3, 4, 5, 6, 7, 9)}
    assert counts(out) == {("train", "good"): 12, ("test", "good"): 8, **others}
    pictures, labels = made(60, seed=0)
    names = [s.path for s in open_dataset(out).train_good]
    rows = [int(path.stem.split("-")[1]) for path in names]
    assert sorted(rows) == np.flatnonzero(np.isin(labels, (1, 8))).tolist()
    for path, row in zip(names, rows, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), pictures[row])


def test_cifar_is_read_plane_by_plane(tmp_path: Path) -> None:
    source = write_cifar(tmp_path / "cifar")
    out = write_one_class(source, tmp_path / "cache", choice=OneClass(normal=(0,)))
    assert counts(out)["train", "good"] == 10
    first = np.random.default_rng(0).integers(0, 256, (20, 3073), dtype=np.uint8)[0, 1:]
    red, green, blue = first.reshape(3, 32, 32)
    pixels = np.asarray(Image.open(next(out.glob("*/train/good/0-00000.png"))))
    np.testing.assert_array_equal(pixels, np.stack([red, green, blue], axis=-1))


def test_the_choice_is_seeded_and_of_equal_shares(tmp_path: Path) -> None:
    source = write_idx(tmp_path / "made")

    def names(cache: str, seed: int) -> list[str]:
        choice = OneClass(normal=(0, 1), train=3, test=2, seed=seed)
        out = write_one_class(source, tmp_path / cache, choice=choice)
        assert set(counts(out).values()) == {6, 4, 2}
        return [sample.name for sample in open_dataset(out).samples]

    assert names("a", 0) == names("b", 0)
    assert names("a", 0) != names("a", 1)


def test_what_is_made_is_kept_and_another_choice_is_another_set(tmp_path: Path) -> None:
    source, cache = write_idx(tmp_path / "made"), tmp_path / "cache"
    first = write_one_class(source, cache, choice=OneClass(normal=(0,)))
    (first / "mark").touch()
    assert write_one_class(source, cache, choice=OneClass(normal=(0,))) == first
    assert (first / "mark").exists()
    assert write_one_class(source, cache, choice=OneClass(normal=(1,))) != first
    assert first.name == "made"
    assert not list(cache.glob("*.partial"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:0],
        lambda data: data[:3],
        lambda data: b"\0\0\x08\xff" + data[4:],
        lambda data: b"\0\0\x0d" + data[3:],
        lambda data: b"\0\0\x08\x03" + b"\xff" * 12 + data[16:],
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    source = write_idx(tmp_path / "made")
    path = source / "train-images-idx3-ubyte"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DatasetError, match=path.name):
        write_one_class(source, tmp_path / "cache", choice=OneClass(normal=(0,)))
    assert not (tmp_path / "cache").exists()


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    source = write_idx(tmp_path / "made", packed=True)
    path = source / "t10k-images-idx3-ubyte.gz"
    for data in (b"text", path.read_bytes()[:-9]):
        path.write_bytes(data)
        with pytest.raises(DatasetError, match=re.escape(path.name)):
            write_one_class(source, tmp_path / "cache", choice=OneClass(normal=(0,)))


def test_labels_of_other_pictures_are_refused(tmp_path: Path) -> None:
    source = write_idx(tmp_path / "made")
    (source / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(7, np.uint8)))
    with pytest.raises(DatasetError, match="does not fit the labels"):
        write_one_class(source, tmp_path / "cache", choice=OneClass(normal=(0,)))


@pytest.mark.parametrize("normal", [(10,), tuple(range(10))])
def test_classes_that_are_not_there_or_leave_nothing_are_refused(
    tmp_path: Path, normal: tuple[int, ...]
) -> None:
    source = write_idx(tmp_path / "made")
    with pytest.raises(DatasetError, match=r"made: has the classes \[0, 1, .*cannot be the normal"):
        write_one_class(source, tmp_path / "cache", choice=OneClass(normal=normal))


def test_a_folder_without_such_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds neither IDX files"):
        write_one_class(tmp_path, tmp_path / "cache", choice=OneClass(normal=(0,)))
    with pytest.raises(DatasetError, match="gone: cannot be read"):
        write_one_class(tmp_path / "gone", tmp_path / "cache", choice=OneClass(normal=(0,)))


def test_cifar_files_that_are_cut_short_are_refused(tmp_path: Path) -> None:
    source = write_cifar(tmp_path / "cifar")
    path = source / "test_batch.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"test_batch\.bin"):
        write_one_class(source, tmp_path / "cache", choice=OneClass(normal=(0,)))


@pytest.mark.parametrize("wrong", [{"normal": ()}, {"normal": (-1,)}, {"normal": (1, 1)}])
def test_a_choice_of_nothing_is_refused(wrong: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(SettingsError, match="normal is"):
        OneClass(**wrong)  # pyright: ignore[reportArgumentType] (the table's keys are its fields)
    with pytest.raises(SettingsError, match="train is -1"):
        OneClass(normal=(0,), train=-1)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_fashion_mnist_as_debian_ships_it(tmp_path: Path) -> None:
    choice = OneClass(normal=(0, 1, 2, 3, 4), train=5, test=2)
    out = write_one_class(DEBIAN, tmp_path, choice=choice)
    found = counts(out)
    assert (found["train", "good"], found["test", "good"], found["test", "class-9"]) == (25, 10, 2)
    sample = open_dataset(out).samples[0]
    shape = np.asarray(Image.open(sample.path)).shape
    assert (sample.category, shape) == ("classes-0-1-2-3-4", (28, 28))
