"""Raw maps: what is written is read back, and nothing half-written stays."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from normalis.errors import ImageError
from normalis.images.write import replacing, write_raw_map, write_text

SCORES = np.array([[-3.5, 0, 0.25], [0.5, 1, 7e9]], np.float32)


def test_npy_keeps_every_value(tmp_path: Path) -> None:
    write_raw_map(SCORES, tmp_path / "map.npy", low=0.0, high=1.0)
    back = np.load(tmp_path / "map.npy")
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, SCORES)


@pytest.mark.parametrize("suffix", [".tif", ".TIFF"])
def test_tiff_is_linear_in_the_stated_range(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"map{suffix}"
    write_raw_map(SCORES, path, low=0.0, high=1.0)
    expected = [[0, 0, 16384], [32768, 65535, 65535]]
    with tifffile.TiffFile(path) as file:
        assert json.loads(file.pages.first.description) == {"low": 0, "high": 1}
        assert file.asarray().tolist() == expected
    with Image.open(path) as image:
        assert image.mode == "I;16"
        assert np.asarray(image).tolist() == expected


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("map.png", 0.0, 1.0), ("map.tif", 1.0, 1.0), ("map.npy", 0.0, np.nan)],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, name: str, low: float, high: float
) -> None:
    with pytest.raises(ImageError, match=name):
        write_raw_map(SCORES, tmp_path / name, low=low, high=high)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["map.npy", "map.tif"])
def test_a_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_text("old")

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.save", full)
    monkeypatch.setattr("tifffile.imwrite", full)
    with pytest.raises(ImageError, match=f"{name}: .*No space left"):
        write_raw_map(SCORES, tmp_path / name, low=0.0, high=1.0)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "old"


def test_replacing_keeps_the_old_file_when_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        write_raw_map(SCORES, tmp_path / "absent" / "map.npy", low=0.0, high=1.0)


def test_text_is_replaced_whole_and_what_is_no_text_escaped(tmp_path: Path) -> None:
    path = tmp_path / "new/a.txt"
    write_text(path, "old and longer")
    write_text(path, "Käse caf\udce9\n")
    assert path.read_text("utf-8") == "Käse caf\\udce9\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("other", [None, "source.webp"])
def test_a_failed_write_names_the_file_that_was_meant(tmp_path: Path, other: str | None) -> None:
    def fail() -> None:
        with replacing(tmp_path / "table.csv"):
            raise OSError(28, "No space left on device", other)

    with pytest.raises(OSError, match="No space left") as caught:
        fail()
    assert caught.value.filename == (other or str(tmp_path / "table.csv"))
    with pytest.raises(OSError, match=r"absent/table\.csv'$"):
        write_text_into(tmp_path / "absent" / "table.csv")


def write_text_into(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text("new")


def test_an_error_without_a_number_keeps_its_words(tmp_path: Path) -> None:
    def fail() -> None:
        with replacing(tmp_path / "table.csv"):
            raise OSError("the encoder gave up")

    with pytest.raises(OSError, match=r"^the encoder gave up$"):
        fail()
