"""Decoding: every kind of file comes out as upright RGB, every broken one as an ImageError."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from normalis.errors import ImageError
from normalis.images.decode import MAX_PIXELS, is_picture, read_mask, read_picture

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")


def colours() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def encoded(form: str) -> bytes:
    smooth = np.linspace(0, 255, 24 * 32 * 3).reshape(24, 32, 3).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(smooth).save(stream, form)
    return stream.getvalue()


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_give_the_pixels_back(tmp_path: Path, form: str) -> None:
    path = tmp_path / "picture"
    Image.fromarray(colours()).save(path, form, lossless=True)
    picture = read_picture(path)
    assert picture.mode == "RGB"
    assert picture.pixels.dtype == np.uint8
    np.testing.assert_array_equal(picture.pixels, colours())


def test_jpeg_gives_nearly_the_pixels_back(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    smooth = np.repeat(np.arange(0, 240, 10, dtype=np.uint8), 24 * 3).reshape(24, 24, 3)
    Image.fromarray(smooth).save(path, quality=95)
    np.testing.assert_allclose(read_picture(path).pixels, smooth, atol=4)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_comes_out_as_the_same_rgb(tmp_path: Path, mode: str) -> None:
    """A white square on black survives every mode."""
    pixels = np.zeros((12, 16, 3), np.uint8)
    pixels[3:7, 5:11] = 255
    path = tmp_path / "picture.tif"
    Image.fromarray(pixels).convert(mode).save(path)
    picture = read_picture(path)
    assert picture.mode == mode
    np.testing.assert_array_equal(picture.pixels, pixels)


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[0, :, 3] = (0, 51, 255)
    Image.fromarray(pixels).save(tmp_path / "rgba.png")
    assert read_picture(tmp_path / "rgba.png").pixels[0, :, 1].tolist() == [255, 204, 0]


def test_a_transparent_palette_entry_is_white(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / "p.png", transparency=1)
    assert read_picture(tmp_path / "p.png").pixels.tolist() == [[[10, 20, 30], [255, 255, 255]]]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_grey_keeps_its_depth(tmp_path: Path, suffix: str) -> None:
    grey = np.array([[0, 1, 257], [4095, 40000, 65535]], np.uint16)
    Image.fromarray(grey).save(tmp_path / f"deep{suffix}")
    picture = read_picture(tmp_path / f"deep{suffix}")
    assert picture.pixels.dtype == np.uint16
    assert picture.mode == "I;16"
    for channel in range(3):
        np.testing.assert_array_equal(picture.pixels[:, :, channel], grey)


def test_16_bit_grey_of_the_other_byte_order_is_the_same(tmp_path: Path) -> None:
    grey = np.array([[0, 1, 257], [4095, 40000, 65535]], np.uint16)
    tifffile.imwrite(tmp_path / "big.tif", grey, byteorder=">")
    np.testing.assert_array_equal(read_picture(tmp_path / "big.tif").pixels[:, :, 0], grey)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32])
def test_samples_without_a_known_white_are_refused(tmp_path: Path, dtype: type) -> None:
    tifffile.imwrite(tmp_path / "odd.tif", np.array([[-5, 70], [3, 9]], dtype))
    with pytest.raises(ImageError, match=r"odd\.tif: .*8 or 16 bits"):
        read_picture(tmp_path / "odd.tif")


def test_pixels_cannot_be_written_to(tmp_path: Path) -> None:
    Image.fromarray(colours()).save(tmp_path / "rgb.png")
    Image.fromarray(colours()[:, :, 0].astype(np.uint16)).save(tmp_path / "deep.png")
    for name in ("rgb.png", "deep.png"):
        assert not read_picture(tmp_path / name).pixels.flags.writeable


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_exif_rotation_is_undone(tmp_path: Path, orientation: int, suffix: str) -> None:
    """Store each turned form with the tag that names it; all come out upright."""
    upright = colours()
    flipped = upright[:, ::-1]
    stored = {
        1: upright,
        2: flipped,
        3: np.rot90(upright, 2),
        4: np.rot90(flipped, 2),
        5: np.rot90(flipped, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(flipped, 3),
        8: np.rot90(upright, 3),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, lossless=True)
    np.testing.assert_array_equal(read_picture(path).pixels, upright)


def test_damaged_exif_does_not_lose_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "exif.jpg"
    Image.fromarray(colours()).save(path, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff broken")
    assert read_picture(path).pixels.shape == (24, 32, 3)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_taken(tmp_path: Path, form: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    path = tmp_path / "frames"
    frames[0].save(path, form, save_all=True, append_images=frames[1:], lossless=True)
    assert (read_picture(path).pixels == (255, 0, 0)).all()


def test_a_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """The file holds a header only, so decoding it would fail differently."""
    (tmp_path / "huge.png").write_bytes(png_header(30_000, 30_000))
    with pytest.raises(ImageError, match=r"huge\.png: .*134,217,728 pixels"):
        read_picture(tmp_path / "huge.png")


def test_a_picture_just_over_the_limit_is_refused_with_its_size(tmp_path: Path) -> None:
    width = MAX_PIXELS // 10_000 + 1
    (tmp_path / "large.png").write_bytes(png_header(width, 10_000))
    with pytest.raises(ImageError, match=rf"{width}x10000 pixels .*134,217,728"):
        read_picture(tmp_path / "large.png")


def test_a_large_picture_within_the_limit_passes_the_gate_without_a_warning(
    tmp_path: Path,
) -> None:
    """Pillow warns at this size; the header-only file is then found to be damaged, not large."""
    (tmp_path / "large.png").write_bytes(png_header(10_000, 10_000))
    with pytest.raises(ImageError, match="damaged or cut short"):
        read_picture(tmp_path / "large.png")


@pytest.mark.parametrize("form", FORMATS)
def test_a_truncated_picture_is_refused(tmp_path: Path, form: str) -> None:
    data = encoded(form)
    (tmp_path / "cut").write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=r"cut: "):
        read_picture(tmp_path / "cut")


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"this is a text\n", "not a picture"), (b"GIF89a\1\0\1\0", "not a picture")],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "text.png").write_bytes(content)
    with pytest.raises(ImageError, match=rf"text\.png: .*{message}"):
        read_picture(tmp_path / "text.png")


def test_paths_that_are_no_readable_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked.png").write_bytes(encoded("PNG"))
    with pytest.raises(ImageError, match=r"absent\.png: .*No such file"):
        read_picture(tmp_path / "absent.png")
    with pytest.raises(ImageError, match="not a file"):
        read_picture(tmp_path)
    with pytest.raises(ImageError, match="cannot be read"):
        read_picture(tmp_path / ("x" * 300))

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match=r"locked\.png: .*Permission denied"):
        read_picture(tmp_path / "locked.png")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    form=st.sampled_from(FORMATS),
    keep=st.floats(0, 1),
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=6),
)
def test_damaged_files_are_pictures_or_image_errors(
    tmp_path: Path, form: str, keep: float, edits: list[tuple[float, int]]
) -> None:
    """Never another exception, never a warning, never a leaked file."""
    data = bytearray(encoded(form))
    for place, value in edits:
        data[int(place * (len(data) - 1))] = value
    path = tmp_path / "fuzzed"
    path.write_bytes(data[: int(keep * len(data))])
    try:
        assert read_picture(path).pixels.size
    except ImageError as error:
        message = str(error)
    else:
        message = f"{path}: decoded"
    assert message.startswith(f"{path}: ")


def test_pictures_are_known_by_their_ending() -> None:
    assert is_picture(Path("a/b.PNG"))
    assert is_picture(Path("c.tiff"))
    assert not is_picture(Path("d.txt"))
    assert not is_picture(Path("png"))


class TestMask:
    """Ground truth in the forms in which data sets ship it."""

    def read(self, tmp_path: Path, image: Image.Image) -> list[list[bool]]:
        image.save(tmp_path / "mask.png")
        return read_mask(tmp_path / "mask.png", height=1, width=3).tolist()

    def test_grey_is_cut_at_half_of_the_range(self, tmp_path: Path) -> None:
        grey = Image.fromarray(np.array([[127, 128, 255]], np.uint8))
        assert self.read(tmp_path, grey) == [[False, True, True]]

    def test_16_bits_are_cut_at_half_of_their_range(self, tmp_path: Path) -> None:
        deep = Image.fromarray(np.array([[255, 40000, 65535]], np.uint16))
        assert self.read(tmp_path, deep) == [[False, True, True]]

    def test_one_bit(self, tmp_path: Path) -> None:
        bits = Image.fromarray(np.array([[0, 255, 0]], np.uint8)).convert("1")
        assert self.read(tmp_path, bits) == [[False, True, False]]

    def test_class_numbers_are_defects_unless_zero(self, tmp_path: Path) -> None:
        numbers = Image.fromarray(np.array([[0, 1, 4]], np.uint8))
        assert self.read(tmp_path, numbers) == [[False, True, True]]

    def test_palette_colours_are_defects_unless_black(self, tmp_path: Path) -> None:
        indexed = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
        indexed.putpalette([0, 0, 0, 128, 0, 0, 0, 64, 0])
        assert self.read(tmp_path, indexed) == [[False, True, True]]

    def test_an_empty_mask_has_no_defect(self, tmp_path: Path) -> None:
        empty = Image.fromarray(np.zeros((1, 3), np.uint8))
        assert self.read(tmp_path, empty) == [[False, False, False]]

    def test_another_size_is_refused_with_both_sizes(self, tmp_path: Path) -> None:
        Image.new("L", (3, 1)).save(tmp_path / "mask.png")
        with pytest.raises(ImageError, match=r"mask\.png: .*3x1 .*1x3"):
            read_mask(tmp_path / "mask.png", height=3, width=1)
