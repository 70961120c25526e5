"""The position encoding against its formula, written with loops."""

import math

import numpy as np
import pytest
import torch

from normalis.nn import position_encoding


def reference(channels: int, height: int, width: int) -> np.ndarray:
    """METHODS §0.2."""
    half = channels // 2
    out = np.zeros((channels, height, width))
    for k in range(half // 2):
        omega = 10000 ** (-2 * k / half)
        for h in range(height):
            for w in range(width):
                out[2 * k, h, w] = math.sin(w * omega)
                out[2 * k + 1, h, w] = math.cos(w * omega)
                out[half + 2 * k, h, w] = math.sin(h * omega)
                out[half + 2 * k + 1, h, w] = math.cos(h * omega)
    return out


@pytest.mark.parametrize(("channels", "grid"), [(4, (1, 1)), (12, (3, 5)), (64, (12, 7))])
def test_equals_the_formula(channels: int, grid: tuple[int, int]) -> None:
    encoding = position_encoding(channels, grid)
    assert encoding.dtype == torch.float32
    np.testing.assert_allclose(encoding.numpy(), reference(channels, *grid), atol=1e-5)


def test_every_place_has_its_own_encoding() -> None:
    places = position_encoding(16, (20, 30)).flatten(1).T
    assert float(torch.pdist(places).min()) > 0.1


def test_a_larger_grid_continues_a_smaller_one() -> None:
    large, small = position_encoding(8, (9, 9)), position_encoding(8, (4, 6))
    assert torch.equal(large[:, :4, :6], small)


def test_odd_widths_are_a_programming_error() -> None:
    with pytest.raises(AssertionError, match="divisible by 4"):
        position_encoding(6, (2, 2))
