"""Heat maps: what is usual stays visible as it is, and what is marked is framed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from report_samples import RANGE, hot_map, make_picture, make_result

from normalis.images.decode import Picture
from normalis.images.regions import Box
from normalis.report.overlay import LONGEST_SIDE, overlay, picture_image, write_image
from normalis.results import Result


def grey16(values: list[list[int]]) -> Picture:
    grey = np.array(values, np.uint16)
    return Picture(np.broadcast_to(grey[:, :, None], (*grey.shape, 3)), "I;16")


def test_a_small_picture_is_shown_as_it_is() -> None:
    picture = make_picture()
    assert np.array_equal(np.asarray(picture_image(picture)), picture.pixels)


@pytest.mark.parametrize(("height", "width"), [(2048, 100), (100, 3000), (1, 5000), (1030, 1030)])
def test_a_large_picture_keeps_its_shape(height: int, width: int) -> None:
    shown = picture_image(Picture(np.zeros((height, width, 3), np.uint8), "RGB"))
    assert max(shown.size) == LONGEST_SIDE
    assert abs(shown.width / shown.height - width / height) <= max(1, width / height)
    assert min(shown.size) == max(1, round(min(height, width) * LONGEST_SIDE / max(height, width)))


def test_sixteen_bits_are_spread_over_the_range_used() -> None:
    shown = np.asarray(picture_image(grey16([[0, 1000], [2000, 4000]])))
    assert shown[:, :, 0].tolist() == [[0, 64], [128, 255]]
    assert np.array_equal(shown[:, :, 0], shown[:, :, 2])


def test_sixteen_bits_of_one_value_are_shown() -> None:
    assert np.asarray(picture_image(grey16([[700, 700]]))).max() == 0


def test_what_is_usual_keeps_its_colours() -> None:
    result = make_result(values=np.full((24, 32), RANGE.low, np.float32))
    assert np.array_equal(np.asarray(overlay(result, RANGE)), result.picture.pixels)


def test_heat_changes_only_the_hot_place_and_its_frame() -> None:
    result = make_result(values=hot_map())
    changed = (np.asarray(overlay(result, RANGE)) != result.picture.pixels).any(axis=2)
    assert changed[9:11, 11:15].all()
    assert not changed[:5].any()
    assert not changed[15:].any()


def test_more_heat_hides_more_of_the_picture() -> None:
    dark = Picture(np.zeros((8, 8, 3), np.uint8), "RGB")
    brightness = [
        np.asarray(overlay(make_result(picture=dark, values=np.full((8, 8), v, np.float32)), RANGE))
        .astype(float)
        .mean()
        for v in (0.0, 1.5, 2.0, 2.5, 3.0)
    ]
    assert brightness == sorted(brightness)
    assert brightness[0] == 0 < brightness[-1]


def test_the_scale_is_the_models_and_not_the_pictures() -> None:
    alone, beside = np.full((2, 8, 8), 1.0, np.float32)
    alone[:4] = beside[:4] = 2.5
    beside[6:] = 9.0
    seen = [
        np.asarray(overlay(make_result_without_box(values), RANGE)) for values in (alone, beside)
    ]
    assert np.array_equal(seen[0][:4], seen[1][:4])


def make_result_without_box(values: np.ndarray) -> Result:
    grey = Picture(np.full((8, 8, 3), 128, np.uint8), "RGB")
    return replace(make_result(picture=grey, values=values), box=None)


def test_a_marked_place_is_framed_in_black_and_white() -> None:
    grey = Picture(np.full((64, 64, 3), 128, np.uint8), "RGB")
    values = np.full((64, 64), RANGE.low, np.float32)
    result = replace(make_result(picture=grey, values=values), box=Box(20, 30, 40, 44))
    seen = np.asarray(overlay(result, RANGE))
    rows, columns = np.nonzero((seen != 128).any(axis=2))
    assert {0, 255} < set(np.unique(seen))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (28, 46, 18, 42)
    assert (seen[32:42, 22:38] == 128).all()


def outlined(mask: np.ndarray, *, ground: int, side: int = LONGEST_SIDE) -> np.ndarray:
    height, width = mask.shape
    picture = Picture(np.full((height, width, 3), ground, np.uint8), "RGB")
    values = np.full((height, width), RANGE.low, np.float32)
    result = make_result(picture=picture, values=values)
    return np.asarray(overlay(result, RANGE, mask=mask, longest_side=side)).astype(int)


def is_bright(seen: np.ndarray) -> np.ndarray:
    """Where the outline's own colour is."""
    return (seen[:, :, 0] < 20) & (seen[:, :, 1] > 200) & (seen[:, :, 2] > 200)


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_the_mask_is_outlined_outside_and_its_inside_left_alone(ground: int) -> None:
    mask = np.zeros((40, 50), bool)
    mask[10:20, 15:30] = True
    seen = outlined(mask, ground=ground)
    around, further = np.zeros_like(mask), np.zeros_like(mask)
    around[9:21, 14:31] = further[8:22, 13:32] = True
    assert np.array_equal(is_bright(seen), around & ~mask)
    assert (seen[further & ~around] == 0).all()
    assert (seen[mask | ~further] == ground).all()


def test_a_mask_of_the_whole_picture_is_closed_along_its_sides() -> None:
    bright = is_bright(outlined(np.ones((20, 30), bool), ground=128))
    assert bright[[0, -1]].all()
    assert bright[:, [0, -1]].all()
    assert not bright[1:-1, 1:-1].any()


def test_one_defective_pixel_of_a_large_picture_is_seen() -> None:
    mask = np.zeros((2000, 1600), bool)
    mask[1000, 800] = True
    rows, columns = np.nonzero(is_bright(outlined(mask, ground=128, side=100)))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (49, 51, 39, 41)


def test_no_defect_has_no_outline() -> None:
    assert (outlined(np.zeros((20, 30), bool), ground=9) == 9).all()


@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    corner=st.tuples(st.integers(0, 11), st.integers(0, 11)),
)
def test_any_box_of_any_picture_can_be_framed(
    height: int, width: int, corner: tuple[int, int]
) -> None:
    x0, y0 = min(corner[0], width - 1), min(corner[1], height - 1)
    result = make_result(picture=make_picture(height, width))
    framed = replace(result, box=Box(x0, y0, x0 + 1, y0 + 1))
    assert overlay(framed, RANGE).size == (width, height)


def test_a_range_of_no_width_is_no_reason_to_fail() -> None:
    flat = replace(RANGE, high=RANGE.low)
    assert overlay(make_result(values=hot_map()), flat).size == (32, 24)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.webp", "WEBP")]
)
def test_a_picture_is_written_by_its_ending(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "deep" / "er" / name
    write_image(Image.new("RGB", (4, 3)), path)
    with Image.open(path) as image:
        assert (image.format, image.size) == (kind, (4, 3))


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    write_image(Image.new("RGB", (4, 3)), path)
    before = path.read_bytes()

    def fail(*_arguments: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space"):
        write_image(Image.new("RGB", (9, 9)), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
