"""Shared layers against torch's own and against their formulas."""

import pytest
import torch
from torch import Tensor, nn

from normalis.nn import ChannelNorm, PointwiseMLP, SyncedBatchNorm, conv_subnet


def randomised(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))


def test_channel_norm_is_over_the_channels_of_each_position() -> None:
    norm = ChannelNorm(6).double()
    randomised(norm)
    x = 5 + 3 * torch.randn(2, 6, 3, 4, dtype=torch.float64)
    standard = (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    expected = standard * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)
    torch.testing.assert_close(norm(x), expected)


@pytest.mark.parametrize("shape", [(8, 5), (3, 5, 4, 2)])
def test_batch_norm_on_one_process_is_that_of_torch(shape: tuple[int, ...]) -> None:
    ours = SyncedBatchNorm(5, momentum=0.3)
    theirs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(5, momentum=0.3)
    randomised(ours)
    theirs.load_state_dict(
        {
            "weight": ours.weight,
            "bias": ours.bias,
            "running_mean": ours.mean,
            "running_var": ours.variance,
        },
        strict=False,
    )
    x = torch.randn(shape)
    for _ in range(3):
        x = 1 - 2 * x
        torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.mean, theirs.running_mean)
    torch.testing.assert_close(ours.variance, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_subnet_starts_at_zero_and_keeps_the_grid(kernel: int) -> None:
    subnet = conv_subnet(3, 4, hidden=5, kernel=kernel)
    x = torch.randn(2, 3, 4, 6)
    assert torch.equal(subnet(x), torch.zeros(2, 4, 4, 6))
    randomised(subnet)
    assert subnet(x).abs().sum() > 0


@pytest.mark.parametrize(("kernel", "reach"), [(1, 0), (3, 2)])
def test_a_subnet_looks_as_far_as_its_two_convolutions(kernel: int, reach: int) -> None:
    torch.manual_seed(0)
    subnet = conv_subnet(3, 4, hidden=5, kernel=kernel).double()
    randomised(subnet)
    x = torch.randn(1, 3, 9, 9, dtype=torch.float64, requires_grad=True)
    seen: Tensor = torch.autograd.grad(subnet(x)[0, :, 4, 4].sum(), x)[0].abs().sum((0, 1)) > 0
    rows, columns = seen.nonzero(as_tuple=True)
    assert (rows.min(), rows.max()) == (4 - reach, 4 + reach)
    assert (columns.min(), columns.max()) == (4 - reach, 4 + reach)


def test_a_pointwise_mlp_is_not_negative_and_sees_single_pixels() -> None:
    mlp = PointwiseMLP(3, 7, 5).eval()
    x = torch.randn(2, 3, 4, 4)
    y = mlp(x)
    assert y.shape == (2, 5, 4, 4)
    assert float(y.detach().min()) >= 0
    torch.testing.assert_close(mlp(x[:, :, 1:2, 2:3]), y[:, :, 1:2, 2:3])
