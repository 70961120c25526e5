"""The contract of a flow's steps, and their composition.

Data to latent is `forward`; a higher density is more normal. Every step returns the logarithm of
the absolute Jacobian determinant *per position*, in nats, and keeps the grid until somebody sums
it. Where a network looks at neighbours too, only that sum is a determinant.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from jaxtyping import Float
from torch import Tensor, nn

from normalis.flows.context import Context

__all__ = ["AbstractTransform", "Compose"]


class AbstractTransform(nn.Module, ABC):
    """An invertible map of feature maps, given a context on the same grid."""

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "b c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Data to latent: `z` and the log-determinant at each position."""

    @abstractmethod
    def inverse(
        self, z: Float[Tensor, "b c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Latent to data: `x` and the log-determinant of this direction at each position."""


class Compose(AbstractTransform):
    """Transforms one after the other, all with the same context.

    Args:
        transforms: In the order from data to latent.
    """

    def __init__(self, transforms: Iterable[AbstractTransform]) -> None:
        super().__init__()
        self.transforms = nn.ModuleList(transforms)

    def forward(
        self, x: Float[Tensor, "b c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Apply every transform; log-determinants add up."""
        total = x.new_zeros(x.shape[0], *x.shape[2:])
        for transform in self.transforms:
            x, log_det = transform(x, context)
            total = total + log_det
        return x, total

    def inverse(
        self, z: Float[Tensor, "b c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Undo every transform, the last one first."""
        total = z.new_zeros(z.shape[0], *z.shape[2:])
        for transform in reversed(self.transforms):
            assert isinstance(transform, AbstractTransform)
            z, log_det = transform.inverse(z, context)
            total = total + log_det
        return z, total
