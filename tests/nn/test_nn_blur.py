"""The blur against scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, uniform_filter
from torch.nn.functional import interpolate

from normalis.nn import BlurredEnlargement, gaussian_blur, local_mean


@settings(max_examples=30)
@given(
    sigma=st.floats(0.2, 4),
    height=st.integers(13, 20),
    width=st.integers(13, 20),
    seed=st.integers(0, 2**16),
)
def test_equals_scipy(sigma: float, height: int, width: int, seed: int) -> None:
    maps = np.random.default_rng(seed).normal(size=(2, height, width))
    radius = round(3 * sigma)
    expected = [gaussian_filter(x, sigma, mode="mirror", radius=radius) for x in maps]
    np.testing.assert_allclose(gaussian_blur(torch.from_numpy(maps), sigma), expected, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (5, 3)])
def test_small_maps_cut_the_kernel_short(shape: tuple[int, int]) -> None:
    maps = torch.randn(2, *shape, dtype=torch.float64)
    radius = min(shape) - 1
    expected = [gaussian_filter(x, 4.0, mode="mirror", radius=radius) for x in maps.numpy()]
    np.testing.assert_allclose(gaussian_blur(maps, 4.0), expected, atol=1e-9)


def test_zero_changes_nothing() -> None:
    maps = torch.randn(2, 5, 5)
    assert torch.equal(gaussian_blur(maps, 0.0), maps)


def test_a_constant_stays() -> None:
    maps = torch.full((1, 9, 7), 3.0)
    torch.testing.assert_close(gaussian_blur(maps, 2.0), maps)


@pytest.mark.parametrize("sigma", [0.0, 0.1, 1.5, 4.0])
@pytest.mark.parametrize("grid", [(1, 1), (5, 9), (20, 30)])
def test_enlarging_and_blurring_by_matrices_equals_one_after_the_other(
    grid: tuple[int, int], sigma: float
) -> None:
    maps = torch.randn(3, *grid, dtype=torch.float64)
    wide = interpolate(maps[:, None], (20, 30), mode="bilinear", align_corners=False)[:, 0]
    expected = gaussian_blur(wide, sigma)
    enlarge = BlurredEnlargement(grid, (20, 30), sigma=sigma)
    torch.testing.assert_close(enlarge(maps.float()), expected.float())


@pytest.mark.parametrize("side", [1, 3, 5])
def test_the_local_mean_equals_scipy_and_counts_nothing_beyond_the_border(side: int) -> None:
    x = torch.randn(2, 3, 7, 6, dtype=torch.float64)

    def summed(y: np.ndarray) -> np.ndarray:
        return np.stack([[uniform_filter(c, side, mode="constant") for c in b] for b in y])

    expected = summed(x.numpy()) / summed(np.ones(x.shape))
    np.testing.assert_allclose(local_mean(x, side), expected, atol=1e-12)
