"""FrEIA as an independent reference of the coupling block.

METHODS §0.1 is FrEIA's `AllInOneBlock` with `affine_clamping=1.9`, `global_affine_type="SOFTPLUS"`
and `global_affine_init=1`: it scales the subnet's output by 0.1 as a whole. Release 0.2, the newest
on PyPI, clamps by `alpha * tanh(a)`, the paper's form; its development version has
`alpha * tanh(a / alpha)`, another model, and would fail here.
"""

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from normalis.flows import AbstractTransform, AffineCoupling, HardPermutation, SoftPermutation
from normalis.nn import conv_subnet

CHANNELS, CONTEXT, GRID = 5, 3, (3, 2)


def freia_block(subnet: nn.Module, *, context: int, soft: bool) -> nn.Module:
    with warnings.catch_warnings():
        # Its docstrings hold invalid escapes, of which Python warns when it first compiles them.
        warnings.filterwarnings("ignore", "invalid escape sequence", DeprecationWarning)
        warnings.filterwarnings("ignore", "invalid escape sequence", SyntaxWarning)
        from FrEIA.modules import AllInOneBlock
    return AllInOneBlock(
        [(CHANNELS, *GRID)],
        dims_c=[(context, *GRID)] if context else [],
        subnet_constructor=lambda _inputs, _outputs: subnet,
        affine_clamping=1.9,
        global_affine_type="SOFTPLUS",
        global_affine_init=1.0,
        permute_soft=soft,
    ).double()


def permutation_of(block: nn.Module, *, soft: bool) -> AbstractTransform:
    matrix = block.get_parameter("w_perm")[:, :, 0, 0].detach()
    return SoftPermutation(matrix) if soft else HardPermutation(matrix.argmax(1))


def pair(*, context: int, kernel: int, soft: bool) -> tuple[AffineCoupling, nn.Module]:
    """Our block and FrEIA's, with the same weights, none of them trivial."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 -- FrEIA draws its permutation from numpy's global state
    active = CHANNELS // 2
    subnet = conv_subnet(CHANNELS - active + context, 2 * active, hidden=6, kernel=kernel).double()
    theirs = freia_block(subnet, context=context, soft=soft)
    ours = AffineCoupling(CHANNELS, subnet, permutation=permutation_of(theirs, soft=soft)).double()
    gamma, offset = theirs.get_parameter("global_scale"), theirs.get_parameter("global_offset")
    torch.testing.assert_close(ours.gamma, gamma.flatten())
    with torch.no_grad():
        for parameter in (*subnet.parameters(), gamma, offset):
            parameter.add_(torch.randn_like(parameter))
        ours.gamma.copy_(gamma.flatten())
        ours.offset.copy_(offset.flatten())
    return ours, theirs


@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
@pytest.mark.parametrize("context", [0, CONTEXT])
@pytest.mark.parametrize("kernel", [1, 3])
def test_the_coupling_block_is_the_published_one(context: int, kernel: int, *, soft: bool) -> None:
    ours, theirs = pair(context=context, kernel=kernel, soft=soft)
    # Wide inputs, so that the clamp is felt.
    x = 20 * torch.randn(2, CHANNELS, *GRID, dtype=torch.float64)
    c = torch.randn(2, context, *GRID, dtype=torch.float64) if context else None
    z, log_det = ours(x, c)
    conditions: list[Tensor] = [] if c is None else [c]
    (z_reference,), jacobian = theirs((x,), conditions)
    torch.testing.assert_close(z, z_reference)
    torch.testing.assert_close(log_det.sum((1, 2)), jacobian)
    back, back_log_det = ours.inverse(z, c)
    (back_reference,), back_jacobian = theirs((z,), conditions, rev=True)
    torch.testing.assert_close(back, back_reference)
    torch.testing.assert_close(back_log_det.sum((1, 2)), back_jacobian)


def test_the_block_starts_as_its_permutation_alone() -> None:
    subnet = conv_subnet(3, 4, hidden=6)
    order = torch.tensor([4, 2, 0, 1, 3])
    block = AffineCoupling(CHANNELS, subnet, permutation=HardPermutation(order))
    x = torch.randn(2, CHANNELS, *GRID)
    z, log_det = block(x)
    torch.testing.assert_close(z, x[:, order])
    torch.testing.assert_close(log_det, torch.zeros(2, *GRID), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [1e3, 1e6])
def test_the_scale_is_bounded_whatever_the_subnet_says(size: float) -> None:
    subnet = nn.Conv2d(3, 4, 1)
    nn.init.constant_(subnet.weight, size)
    block = AffineCoupling(CHANNELS, subnet, permutation=HardPermutation(torch.arange(5)))
    z, log_det = block(torch.ones(1, CHANNELS, 1, 1))
    assert torch.isfinite(z).all()
    assert log_det.item() == pytest.approx(2 * 1.9, rel=1e-5)
