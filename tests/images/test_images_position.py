"""Slices of volumes that say where they lie."""

from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from normalis.errors import ImageError
from normalis.images.decode import POSITION, read_group, read_picture, read_position


def slice_file(path: Path, text: str) -> Path:
    place = PngInfo()
    place.add_text(POSITION, text)
    Image.new("L", (4, 3)).save(path, pnginfo=place)
    return path


def test_a_slice_says_where_in_its_volume_it_lies(tmp_path: Path) -> None:
    path = slice_file(tmp_path / "slice.png", "-0.125")
    assert read_position(path) == read_picture(path).position == -0.125
    Image.new("L", (4, 3)).save(tmp_path / "photograph.png")
    assert read_position(tmp_path / "photograph.png") is None
    assert read_picture(tmp_path / "photograph.png").position is None


def test_a_large_picture_is_no_reason_to_warn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow warns of pictures that are still below our own limit."""
    path = slice_file(tmp_path / "slice.png", "0.5")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_position(path) == 0.5
    assert read_group(path) is None


@pytest.mark.parametrize("text", ["0.6", "nan", "low"])
def test_a_place_outside_of_the_volume_is_refused(tmp_path: Path, text: str) -> None:
    path = slice_file(tmp_path / "slice.png", text)
    for read in (read_position, read_picture):
        with pytest.raises(ImageError, match=r"slice\.png: its text .* lies in \[-0\.5, 0\.5\]"):
            read(path)
