"""The network of a coupling in parts: what `conv_subnet` says of everything stacked."""

from itertools import product

import pytest
import torch
from torch import Tensor

from normalis.nn import conv_subnet
from normalis.nn.pointwise import compute_dtype, is_pointwise, pointwise_subnet

B, C, K, P, H, W, OUT = 3, 5, 4, 2, 2, 3, 6


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def network(inputs: int, *, norm: bool) -> torch.nn.Sequential:
    subnet = conv_subnet(inputs, OUT, hidden=7, kernel=1, norm=norm).double()
    for parameter in subnet.parameters():
        torch.nn.init.normal_(parameter)
    return subnet


def stacked(x: Tensor, context: Tensor | None, picture: Tensor | None) -> Tensor:
    parts = [x.permute(0, 3, 1, 2)]
    if context is not None:
        parts.append(context)
    if picture is not None:
        parts.append(picture[:, :, None, None].expand(-1, -1, H, W))
    return torch.cat(parts, dim=1)


@pytest.mark.parametrize(("told", "same", "norm"), list(product([True, False], repeat=3)))
def test_parts_give_what_everything_stacked_gives(*, told: bool, same: bool, norm: bool) -> None:
    torch.manual_seed(0)
    x = drawn(B, H, W, C)
    context, picture = drawn(B, K, H, W) if told else None, drawn(B, P) if same else None
    subnet = network(C + K * told + P * same, norm=norm)
    wanted = drawn(B, H, W, OUT).detach()
    given = [part for part in (x, context, picture) if part is not None]
    learned = [*given, *subnet.parameters()]
    results: list[tuple[Tensor, ...]] = []
    for out in (
        pointwise_subnet(subnet, x, context=context, picture=picture),
        subnet(stacked(x, context, picture)).permute(0, 2, 3, 1),
    ):
        grads = torch.autograd.grad((out - wanted).square().sum(), learned)
        results.append((out.detach(), *grads))
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)


def test_mixed_precision_is_coarse_and_no_more() -> None:
    torch.manual_seed(0)
    x, context, picture = (
        drawn(*shape).detach().float() for shape in ((B, H, W, C), (B, K, H, W), (B, P))
    )
    subnet = network(C + K + P, norm=True).float()
    exact = torch.autograd.grad(
        pointwise_subnet(subnet, x, context=context, picture=picture).square().sum(),
        list(subnet.parameters()),
    )
    with torch.autocast("cpu", torch.bfloat16):
        assert compute_dtype(x) == torch.bfloat16
        out = pointwise_subnet(subnet, x, context=context, picture=picture)
    assert out.dtype == torch.bfloat16
    coarse = torch.autograd.grad(out.float().square().sum(), list(subnet.parameters()))
    for one, other in zip(coarse, exact, strict=True):
        assert one.dtype == torch.float32
        assert float((one - other).norm()) < 0.03 * float(other.norm())


@pytest.mark.parametrize("norm", [True, False])
def test_only_single_pixels_are_single_pixels(*, norm: bool) -> None:
    assert is_pointwise(conv_subnet(3, 4, hidden=5, kernel=1, norm=norm))
    assert not is_pointwise(conv_subnet(3, 4, hidden=5, kernel=3, norm=norm))
    assert not is_pointwise(torch.nn.Identity())
