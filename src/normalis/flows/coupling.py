"""The affine coupling block that VQ-Flow and HGAD share."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from normalis.flows.transform import AbstractTransform

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
        self, x: Float[Tensor, "b c h w"], context: Float[Tensor, "b k h w"] | None = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Scale and shift the active half, then every channel, then permute."""
        x1, x2 = x.split([self.passive, self.active], dim=1)
        s, t = self._scale_and_shift(x1, context)
        g = self.gain()
        y = torch.cat([x1, x2 * s.exp() + t], dim=1) * g + self.offset.view(1, -1, 1, 1)
        y, _ = self.permutation(y)
        return y, s.sum(1) + g.log().sum()

    def inverse(
        self, z: Float[Tensor, "b c h w"], context: Float[Tensor, "b k h w"] | None = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Undo the permutation, the affine part and the coupling."""
        z, _ = self.permutation.inverse(z)
        g = self.gain()
        x1, y2 = ((z - self.offset.view(1, -1, 1, 1)) / g).split([self.passive, self.active], dim=1)
        s, t = self._scale_and_shift(x1, context)
        x = torch.cat([x1, (y2 - t) * (-s).exp()], dim=1)
        return x, -s.sum(1) - g.log().sum()

    def gain(self) -> Float[Tensor, "1 c 1 1"]:
        """The learned scale $g$ of every channel."""
        return 0.1 * F.softplus(self.gamma, beta=0.5).view(1, -1, 1, 1)

    def _scale_and_shift(
        self, x1: Float[Tensor, "b c h w"], context: Float[Tensor, "b k h w"] | None
    ) -> tuple[Float[Tensor, "b a h w"], Float[Tensor, "b a h w"]]:
        """$s$ and $a_t$ for the active half."""
        inputs = x1 if context is None else torch.cat([x1, context], dim=1)
        # Under mixed precision the subnet alone is coarse; scales and sums are not.
        a = SUBNET_SCALE * self.subnet(inputs).to(x1.dtype)
        a_s, a_t = a.chunk(2, dim=1)
        return self.alpha * a_s.tanh(), a_t
