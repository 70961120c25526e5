"""What a flow is told of a place can be looked up: at all places and at some, with and without."""

import pytest
import torch
from torch import Tensor

from normalis.flows.coupling import AffineCoupling
from normalis.flows.linear import SoftPermutation, random_rotation
from normalis.flows.placed import PlacedFlow
from normalis.flows.transform import Compose
from normalis.nn.layers import conv_subnet
from normalis.nn.position import position_encoding

CHANNELS, GRID = 5, (3, 4)


def couplings(width: int, *, norm: bool) -> list[AffineCoupling]:
    chance = torch.Generator().manual_seed(3)
    made = [
        AffineCoupling(
            CHANNELS,
            conv_subnet(3 + width, 4, hidden=9, kernel=1, norm=norm),
            permutation=SoftPermutation(random_rotation(CHANNELS, chance)),
        )
        for _ in range(3)
    ]
    with torch.no_grad():
        for coupling in made:
            for parameter in coupling.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=chance))
    return made


def told(width: int) -> Tensor:
    return position_encoding(width, GRID) if width else torch.zeros(0, *GRID)


@torch.no_grad()
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("width", [0, 8])
def test_a_placed_flow_is_the_flow(width: int, *, norm: bool) -> None:
    blocks, encoding = couplings(width, norm=norm), told(width)
    x = torch.randn(2, CHANNELS, *GRID, generator=torch.Generator().manual_seed(4))
    context = encoding.expand(2, -1, -1, -1) if width else None
    expected = Compose(blocks)(x, context)
    placed = PlacedFlow(blocks, encoding)
    for one, other in zip(placed(x), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    some = torch.tensor([11, 0, 5])
    for one, other in zip(placed(x.flatten(2)[:, :, some, None], some), expected, strict=True):
        at = other.flatten(-2)[..., some, None]
        torch.testing.assert_close(one, at, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_place_counts() -> None:
    """The law is not met by chance: the same features elsewhere give another latent."""
    x = torch.ones(1, CHANNELS, *GRID)
    z, _ = PlacedFlow(couplings(8, norm=True), told(8))(x)
    assert float((z[0, :, 0, 0] - z[0, :, 2, 3]).abs().max()) > 1e-3
