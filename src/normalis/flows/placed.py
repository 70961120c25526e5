"""Flows of single pixels that are told where each lies: the place's share is looked up.

The first layer of every network is linear, so that $W[x_1; PE] = W_x x_1 + W_p PE$, of which the
second term is one row for each place, whatever the picture shows. It is equal to the dense form up
to rounding, and for scoring only.
"""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.flows.coupling import AffineCoupling
from normalis.flows.folded_coupling import FoldedCouplings

__all__ = ["PlacedFlow"]


class PlacedLinear(nn.Module):
    """A layer of single pixels over `x` and what every place is told, stacked.

    Args:
        layer: The dense layer, a 1x1 convolution over the channels of `x` and then of the place.
        told: What every place is told; no channels for nothing.
    """

    weight: Tensor
    table: Tensor

    def __init__(self, layer: nn.Conv2d, told: Float[Tensor, "k h w"]) -> None:
        super().__init__()
        assert layer.kernel_size == (1, 1)
        assert layer.bias is not None
        weight = layer.weight.detach()[:, :, 0, 0]
        own, place = weight.tensor_split([weight.shape[1] - len(told)], dim=1)
        table = told.flatten(1).mT.double() @ place.mT.double() + layer.bias.detach().double()
        self.register_buffer("weight", own.contiguous())
        self.register_buffer("table", table.to(weight.dtype))

    def forward(
        self, x: Float[Tensor, "b h w c"], places: Int[Tensor, " n"] | None
    ) -> Float[Tensor, "b h w o"]:
        """The layer at all places in row-major order, or at those that are named, one a row."""
        table = self.table if places is None else self.table[places]
        return F.linear(x, self.weight) + table.view(*x.shape[1:3], -1)


class PlacedFlow(nn.Module):
    """The couplings of a flow whose context is the place.

    Args:
        couplings: The dense form, over networks of single pixels, in the order from data to latent.
        told: What every place is told; no channels for nothing.
    """

    def __init__(self, couplings: list[AffineCoupling], told: Float[Tensor, "k h w"]) -> None:
        super().__init__()
        grid = (told.shape[1], told.shape[2])
        self.couplings = FoldedCouplings(
            couplings, lambda layer: PlacedLinear(layer, told), grid=grid
        )

    def forward(
        self, x: Float[Tensor, "b c h w"], places: Int[Tensor, " n"] | None = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Data to latent: `z` and the log-determinant at each position.

        Args:
            x: Features at all places, or `b c n 1` at those that are named.
            places: In row-major order.
        """
        return self.couplings(x, None if places is None else places.to(x.device))
