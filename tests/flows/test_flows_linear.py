"""Permutations and rotations beyond the laws of the table."""

import numpy as np
import pytest
import torch
from safetensors.torch import save

from normalis.flows import HardPermutation, SoftPermutation, random_permutation, random_rotation

ORDER = torch.tensor([2, 0, 3, 1])


def test_channel_order_i_becomes_channel_i() -> None:
    x = torch.arange(4.0).view(1, 4, 1, 1)
    assert HardPermutation(ORDER)(x)[0].flatten().tolist() == [2, 0, 3, 1]


@pytest.mark.parametrize(
    "step", [HardPermutation(ORDER), SoftPermutation(random_rotation(4, torch.Generator()))]
)
def test_the_matrix_is_the_step(step: HardPermutation | SoftPermutation) -> None:
    x = torch.randn(2, 4, 3, 2)
    expected = torch.einsum("oc,bchw->bohw", step.matrix(), x)
    torch.testing.assert_close(step(x)[0], expected)


def test_the_gradient_of_a_permutation_is_that_of_index_select() -> None:
    x = torch.randn(2, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn_like(x)
    own = torch.autograd.grad((HardPermutation(ORDER)(x)[0] * weight).sum(), x)
    expected = torch.autograd.grad((x.index_select(1, ORDER) * weight).sum(), x)
    assert torch.equal(own[0], expected[0])


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_a_permutation_can_be_differentiated_twice(direction: str) -> None:
    permutation = HardPermutation(ORDER)
    x = torch.randn(1, 4, 2, 1, dtype=torch.float64, requires_grad=True)

    def energy(y: torch.Tensor) -> torch.Tensor:
        return getattr(permutation, direction)(y)[0].pow(3).cumsum(1)

    assert torch.autograd.gradcheck(energy, x)
    assert torch.autograd.gradgradcheck(energy, x)


def test_a_random_permutation_holds_every_channel_and_follows_its_generator() -> None:
    first, again = (random_permutation(50, torch.Generator().manual_seed(3)) for _ in range(2))
    assert sorted(first.tolist()) == list(range(50))
    assert torch.equal(first, again)


@pytest.mark.parametrize("channels", [2, 3, 24])
def test_a_random_rotation_is_one_and_can_be_saved(channels: int) -> None:
    rotation = random_rotation(channels, torch.Generator().manual_seed(channels))
    exact = rotation.double()
    torch.testing.assert_close(
        exact @ exact.T, torch.eye(channels, dtype=torch.float64), atol=1e-6, rtol=0
    )
    assert float(torch.linalg.det(exact)) == pytest.approx(1, abs=1e-6)
    assert save(SoftPermutation(rotation).state_dict())


def test_random_rotations_prefer_no_direction() -> None:
    """Haar: in three dimensions an entry is uniform in [-1, 1], mean 0 and variance 1/3."""
    generator = torch.Generator().manual_seed(0)
    entries = torch.stack([random_rotation(3, generator) for _ in range(2000)]).double().numpy()
    assert np.abs(entries.mean(0)).max() < 4 * np.sqrt(1 / 3 / 2000)
    assert np.abs((entries**2).mean(0) - 1 / 3).max() < 4 * np.sqrt(4 / 45 / 2000)
