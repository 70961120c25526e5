"""Preparation and its inverse: what is planted in the original comes back at the same pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from normalis.errors import SettingsError
from normalis.images.decode import Picture
from normalis.images.prepare import Preparation, prepare

FITS = ("squash", "pad", "crop")
SIZES = ((48, 64), (64, 48), (50, 50), (31, 97), (200, 120))


def grey(values: np.ndarray, dtype: type = np.uint8) -> Picture:
    return Picture(np.repeat(values.astype(dtype)[:, :, None], 3, axis=2), "L")


def preparation(fit: str, height: int = 64, width: int = 64) -> Preparation:
    return Preparation(height=height, width=width, fit=fit)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("target", [(64, 64), (40, 72)])
def test_a_planted_blob_comes_back_where_it_was(
    fit: str, size: tuple[int, int], target: tuple[int, int]
) -> None:
    """Its centre of mass returns to a tenth of a pixel, its peak to half a pixel.

    Pixels are those of the coarser of the two pictures: finer than that nothing can be told.
    """
    height, width = size
    row, col = int(height * 0.55), int(width * 0.45)
    rows, cols = np.mgrid[:height, :width]
    blob = np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / (2 * 3.5**2))
    prepared = prepare(grey(blob * 60000, np.uint16), preparation(fit, *target))
    back = prepared.frame.to_original(prepared.pixels[0])
    assert back.shape == size
    pixel = max(1, height / target[0], width / target[1])
    peak = np.unravel_index(back.argmax(), size)
    np.testing.assert_allclose(peak, (row, col), atol=pixel / 2 + 0.5)
    mass = np.where(back > 0.1, back, 0)
    centre = ((rows * mass).sum() / mass.sum(), (cols * mass).sum() / mass.sum())
    np.testing.assert_allclose(centre, (row, col), atol=0.1 * pixel)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", SIZES)
def test_coordinates_return_exactly(fit: str, size: tuple[int, int]) -> None:
    """A map that holds prepared coordinates becomes the exact affine function of the original.

    Bilinear resampling is exact on linear maps, so this checks the geometry and nothing else.
    """
    height, width = size
    prepared = prepare(grey(np.zeros(size)), preparation(fit))
    frame = prepared.frame
    x0, y0, x1, y1 = frame.original_box
    left, top, right, bottom = frame.prepared_box
    columns, rows = np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5)
    at_x = frame.to_original(columns.astype(np.float32))
    at_y = frame.to_original(rows.astype(np.float32))
    xs, ys = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    expected_x = left + (xs - x0) * (right - left) / (x1 - x0)
    expected_y = top + (ys - y0) * (bottom - top) / (y1 - y0)
    inner = (xs > x0) & (xs < x1) & (ys > y0) & (ys < y1)
    inner &= (expected_x > 0.5) & (expected_x < 63.5) & (expected_y > 0.5) & (expected_y < 63.5)
    assert inner.any()
    np.testing.assert_allclose(at_x[inner], expected_x[inner], atol=1e-4)
    np.testing.assert_allclose(at_y[inner], expected_y[inner], atol=1e-4)


@pytest.mark.parametrize("fit", FITS)
def test_the_same_size_changes_nothing(fit: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, (64, 64))
    prepared = prepare(grey(values), preparation(fit))
    np.testing.assert_array_equal(prepared.pixels[1], (values / 255).astype(np.float32))
    back = prepared.frame.to_original(prepared.pixels[1])
    np.testing.assert_array_equal(back, prepared.pixels[1])


def test_squash_agrees_with_pillow() -> None:
    values = np.random.default_rng(0).integers(0, 256, (37, 91, 3), dtype=np.uint8)
    expected = Image.fromarray(values).resize((48, 32), Image.Resampling.LANCZOS)
    pixels = prepare(Picture(values, "RGB"), preparation("squash", 32, 48)).pixels
    np.testing.assert_allclose(pixels.transpose(1, 2, 0) * 255, np.asarray(expected), atol=1e-4)


def test_a_coarse_map_lies_over_the_whole_picture() -> None:
    frame = prepare(grey(np.zeros((80, 160))), preparation("squash")).frame
    coarse = np.zeros((4, 4), np.float32)
    coarse[1, 2] = 1
    back = frame.to_original(coarse)
    row, col = np.unravel_index(back.argmax(), back.shape)
    assert abs(row + 0.5 - 1.5 * 20) <= 0.5
    assert abs(col + 0.5 - 2.5 * 40) <= 0.5


def test_pad_fills_with_the_mean_of_the_border() -> None:
    values = np.full((20, 40), 200)
    values[1:-1, 1:-1] = 0
    pixels = prepare(grey(values), preparation("pad")).pixels
    np.testing.assert_allclose(pixels[:, :16], 200 / 255, rtol=1e-6)
    np.testing.assert_allclose(pixels[:, -16:], 200 / 255, rtol=1e-6)
    assert pixels[0, 32, 32] == 0


def test_pad_never_shows_the_padding_in_original_pixels() -> None:
    frame = prepare(grey(np.zeros((20, 40))), preparation("pad")).frame
    scores = np.full((64, 64), 9, np.float32)
    scores[15:49] = 1  # the picture's rows and one row around them
    np.testing.assert_array_equal(frame.to_original(scores), 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_crop_shows_the_centre(dtype: type) -> None:
    values = np.zeros((40, 100))
    values[:, 30:70] = 250
    values[18:22] += 3
    pixels = prepare(grey(values, dtype), preparation("crop", 40, 40)).pixels
    white = np.iinfo(dtype).max
    np.testing.assert_allclose(pixels[0], values[:, 30:70] / white, atol=1e-6)


def test_what_crop_never_saw_gets_the_lowest_score() -> None:
    frame = prepare(grey(np.zeros((40, 100))), preparation("crop", 40, 40)).frame
    scores = np.full((10, 10), 5, np.float32)
    scores[5, 5] = -2
    back = frame.to_original(scores)
    assert (back[:, :30] == -2).all()
    assert (back[:, 70:] == -2).all()
    assert back[0, 30] == back[0, 69] == 5


def test_16_bits_keep_their_depth() -> None:
    """A ramp of 200 levels, all within one level of 8 bits, keeps them through a resize."""
    ramp = np.tile(np.arange(200) + 30000, (8, 1))
    pixels = prepare(grey(ramp, np.uint16), preparation("squash", 4, 100)).pixels
    assert (np.diff(pixels[0, 0, 3:-3]) > 0).all()
    np.testing.assert_allclose(pixels[0, 0, 50] * 65535, 30100.5, atol=0.1)


def test_the_white_level_of_a_12_bit_camera_is_white() -> None:
    picture = grey(np.array([[0, 4095], [2048, 60000]]), np.uint16)
    settings = Preparation(height=2, width=2, white_level=4095)
    expected = np.array([[0, 1], [2048 / 4095, 1]], np.float32)
    np.testing.assert_allclose(prepare(picture, settings).pixels[2], expected, rtol=1e-6)


def test_the_white_level_does_not_touch_8_bits() -> None:
    picture = grey(np.array([[0, 255], [51, 102]]))
    settings = Preparation(height=2, width=2, white_level=4095)
    np.testing.assert_allclose(prepare(picture, settings).pixels[0], [[0, 1], [0.2, 0.4]])


def test_colours_keep_their_channels() -> None:
    pixels = np.zeros((5, 7, 3), np.uint8)
    pixels[:] = (255, 51, 102)
    prepared = prepare(Picture(pixels, "RGB"), preparation("pad", 16, 16))
    for channel, value in enumerate((1, 0.2, 0.4)):
        np.testing.assert_allclose(prepared.pixels[channel], value, rtol=1e-6)


@settings(max_examples=80)
@given(
    fit=st.sampled_from(FITS),
    sides=st.tuples(*[st.integers(1, 90)] * 4),
    deep=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_shape_fits_any_other(
    fit: str, sides: tuple[int, int, int, int], *, deep: bool, seed: int
) -> None:
    dtype = np.uint16 if deep else np.uint8
    values = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, sides[:2])
    prepared = prepare(grey(values, dtype), preparation(fit, *sides[2:]))
    assert prepared.pixels.shape == (3, *sides[2:])
    assert 0 <= prepared.pixels.min() <= prepared.pixels.max() <= 1
    back = prepared.frame.to_original(prepared.pixels[0])
    assert back.shape == sides[:2]
    assert back.flags.c_contiguous
    assert back.min() >= prepared.pixels[0].min() - 1e-6
    assert back.max() <= prepared.pixels[0].max() + 1e-6


@pytest.mark.parametrize(
    ("setting", "value"),
    [("height", 0), ("width", 100_000), ("white_level", 0)],
)
def test_settings_outside_what_is_allowed_are_refused(setting: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"preparation\.{setting} is .*{value}.* allowed"):
        Preparation(**{setting: value})  # pyright: ignore[reportArgumentType]


def test_an_unknown_fit_is_refused() -> None:
    """Past the tests' own type checker, which would stop the word at the constructor."""
    wrong = Preparation()
    object.__setattr__(wrong, "fit", "stretch")
    with pytest.raises(SettingsError, match=r'preparation\.fit is "stretch"; squash, pad, crop'):
        wrong.__post_init__()
