"""The affine coupling block that VQ-Flow and HGAD share."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from normalis.flows.context import Context, PartedContext
from normalis.flows.linear import NARROW, HardPermutation, SoftPermutation
from normalis.flows.transform import AbstractTransform
from normalis.nn.pointwise import is_pointwise, pointwise_subnet

__all__ = ["SUBNET_SCALE", "AffineCoupling"]

SUBNET_SCALE = 0.1


class AffineCoupling(AbstractTransform):
    r"""Half of the channels is scaled and shifted by what the other half and the context say.

    With $x = [x_1; x_2]$ and $[a_s; a_t] = 0.1 \cdot subnet([x_1; c])$:
    $x_2 \leftarrow x_2 \odot e^s + a_t$ with $s = \alpha \tanh a_s$, then
    $y = P(x \odot g + o)$ with a learned scale $g = 0.1\, softplus_{0.5}(\gamma)$, an offset $o$
    and a fixed permutation $P$.

    Args:
        channels: $C$; the passive half $x_1$ has $C - \lfloor C/2 \rfloor$ channels.
        subnet: Takes $x_1$ and the context, stacked; gives $2 \lfloor C/2 \rfloor$ channels.
        permutation: $P$, a step that keeps volumes.
        alpha: Bound of $s$.

    References:
        VQ-Flow and HGAD (METHODS §0.1).
    """

    def __init__(
        self,
        channels: int,
        subnet: nn.Module,
        *,
        permutation: AbstractTransform,
        alpha: float = 1.9,
    ) -> None:
        super().__init__()
        self.active = channels // 2
        self.passive = channels - self.active
        self.subnet = subnet
        self.permutation = permutation
        self.alpha = alpha
        self.gamma = nn.Parameter(torch.full((channels,), 2 * math.log(math.exp(5) - 1)))
        self.offset = nn.Parameter(torch.zeros(channels))

    def forward(
        self, x: Float[Tensor, "b c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Scale and shift the active half, then every channel, then permute."""
        # Channels last, as everything that this is made of is fastest.
        x1, x2 = x.permute(0, 2, 3, 1).split([self.passive, self.active], dim=-1)
        s, t = self._scale_and_shift(x1, context)
        g = self.gain()
        y = torch.cat([x1, x2 * s.exp() + t], dim=-1)
        if (
            isinstance(self.permutation, HardPermutation | SoftPermutation)
            and y.shape[-1] <= NARROW
        ):
            y = self._mixed(y, self.permutation.matrix(), g)
        else:
            y, _ = self.permutation(torch.addcmul(self.offset, y, g).permute(0, 3, 1, 2))
        return y, s.sum(-1) + g.log().sum()

    def inverse(
        self, z: Float[Tensor, "b c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Undo the permutation, the affine part and the coupling."""
        z, _ = self.permutation.inverse(z)
        g = self.gain()
        y = (z.permute(0, 2, 3, 1) - self.offset) / g
        x1, y2 = y.split([self.passive, self.active], dim=-1)
        s, t = self._scale_and_shift(x1, context)
        x = torch.cat([x1, (y2 - t) * (-s).exp()], dim=-1)
        return x.permute(0, 3, 1, 2), -s.sum(-1) - g.log().sum()

    def gain(self) -> Float[Tensor, " c"]:
        """The learned scale $g$ of every channel."""
        return 0.1 * F.softplus(self.gamma, beta=0.5)

    def _mixed(
        self, y: Float[Tensor, "b h w c"], matrix: Float[Tensor, "c c"], g: Float[Tensor, " c"]
    ) -> Float[Tensor, "b c h w"]:
        """Scaled, shifted and permuted in one product, at full precision: it must be undone."""
        with torch.autocast(y.device.type, enabled=False):
            matrix = matrix.to(g.dtype)
            return F.linear(y, matrix * g, matrix @ self.offset).permute(0, 3, 1, 2)

    def _scale_and_shift(
        self, x1: Float[Tensor, "b h w p"], context: Context
    ) -> tuple[Float[Tensor, "b h w a"], Float[Tensor, "b h w a"]]:
        """$s$ and $a_t$ for the active half."""
        # Under mixed precision the subnet alone is coarse; scales and sums are not.
        a = SUBNET_SCALE * self._subnet(x1, context).to(x1.dtype)
        a_s, a_t = a.tensor_split(2, dim=-1)
        return self.alpha * a_s.tanh(), a_t

    def _subnet(self, x1: Float[Tensor, "b h w p"], context: Context) -> Float[Tensor, "b h w o"]:
        """What the network says."""
        if is_pointwise(self.subnet) and not torch.compiler.is_exporting():
            maps, picture = (
                (context.maps, context.picture)
                if isinstance(context, PartedContext)
                else (context, None)
            )
            return pointwise_subnet(self.subnet, x1, context=maps, picture=picture)
        dense = context.dense() if isinstance(context, PartedContext) else context
        inputs = x1.permute(0, 3, 1, 2)
        inputs = inputs if dense is None else torch.cat([inputs, dense], dim=1)
        return self.subnet(inputs).permute(0, 2, 3, 1)
