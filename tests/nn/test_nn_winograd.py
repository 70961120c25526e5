"""Convolutions over channels-last maps are torch's, at every size and border."""

import pytest
import torch
import torch.nn.functional as F

from normalis.nn.winograd import WinogradConv, channels_last_conv

GRIDS = [(1, 1), (1, 5), (2, 2), (3, 4), (7, 6), (12, 12), (24, 25)]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("tile", [2, 4])
def test_minimal_filtering_is_the_convolution(grid: tuple[int, int], tile: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, *grid, dtype=torch.float64)
    weight, bias = torch.randn(3, 5, 3, 3, dtype=torch.float64), torch.randn(3).double()
    y = WinogradConv(weight, bias, tile=tile)(x.permute(0, 2, 3, 1))
    expected = F.conv2d(x, weight, bias, padding=1)
    torch.testing.assert_close(y.permute(0, 3, 1, 2), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("side", [1, 3])
def test_a_channels_last_conv_is_exact_in_single_precision(
    grid: tuple[int, int], side: int
) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 64, *grid)
    weight, bias = torch.randn(16, 64, side, side) / 8, torch.randn(16)
    y = channels_last_conv(weight, bias, grid=grid)(x.permute(0, 2, 3, 1))
    expected = F.conv2d(x, weight, bias, padding=side // 2)
    torch.testing.assert_close(y.permute(0, 3, 1, 2), expected, rtol=1e-4, atol=3e-5)
