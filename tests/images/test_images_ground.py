"""Product and ground, told apart where the border allows it."""

import numpy as np
import pytest

from normalis.images.decode import Picture
from normalis.images.ground import look_coarsely


def on_ground(side: int, ground: int, product: int) -> Picture:
    """A square with a hole of the ground's colour, on a ground with some noise."""
    pixels = np.random.default_rng(0).integers(-5, 6, (side, side, 3)) + ground
    lay = slice(side // 4, 3 * side // 4)
    pixels[lay, lay] += product - ground
    hole = slice(side * 4 // 9, side * 5 // 9)
    pixels[hole, hole] += ground - product
    return Picture(pixels.astype(np.uint8), "RGB")


@pytest.mark.parametrize("side", [60, 96, 700])
@pytest.mark.parametrize(("ground", "product"), [(20, 200), (200, 30)])
def test_a_product_on_a_ground_is_found_whole(side: int, ground: int, product: int) -> None:
    seen = look_coarsely(on_ground(side, ground, product))
    height, width = seen.product.shape
    rows, columns = (np.mgrid[:height, :width] + 0.5) * seen.step / side
    inner = (np.abs(rows - 0.5) < 0.2) & (np.abs(columns - 0.5) < 0.2)
    outer = (np.abs(rows - 0.5) > 0.3) | (np.abs(columns - 0.5) > 0.3)
    assert seen.product[inner].all(), "a hole in it is the product's too"
    assert not seen.product[outer].any()
    assert min(height, width) in range(48, 97)


def test_a_texture_is_product_everywhere() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (90, 70, 3)).astype(np.uint8)
    assert look_coarsely(Picture(pixels, "RGB")).product.all()


def test_a_flat_picture_is_product_everywhere_and_has_a_range() -> None:
    seen = look_coarsely(Picture(np.full((5, 9, 3), 7, np.uint8), "RGB"))
    assert seen.product.all()
    assert (seen.low, seen.high, seen.span) == (7.0, 7.0, 1.0)
    assert seen.is_grey


def test_the_range_leaves_out_a_hot_pixel() -> None:
    pixels = np.full((100, 100, 3), 50, np.uint8)
    pixels[:50] = 100
    pixels[3, 3] = 255
    seen = look_coarsely(Picture(pixels, "RGB"))
    assert (seen.low, seen.high) == (50.0, 100.0)
