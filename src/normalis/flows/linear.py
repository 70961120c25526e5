"""Linear steps that keep volumes: channel permutations and rotations."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from normalis.flows.context import Context
from normalis.flows.transform import AbstractTransform

__all__ = ["NARROW", "HardPermutation", "SoftPermutation", "random_permutation", "random_rotation"]

NARROW = 128  # channels up to which a product of matrices costs no more than a gather


class _Gather(torch.autograd.Function):
    """Reorders channels. An index has a slow scatter for its gradient; this one gathers again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(order, inverse)
        # Over the last axis, as the store and the networks lay maps out.
        return x.permute(0, 2, 3, 1).index_select(3, order).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        order, inverse = ctx.saved_tensors
        return _Gather.apply(grads[0], inverse, order), None, None


class HardPermutation(AbstractTransform):
    """A fixed reordering of the channels, an index gather (METHODS §0.1, step 4).

    Args:
        order: Channel `order[i]` of the input becomes channel `i` of the output.
    """

    order: Tensor
    undo: Tensor

    def __init__(self, order: Int[Tensor, " c"]) -> None:
        super().__init__()
        self.register_buffer("order", order)
        self.register_buffer("undo", torch.argsort(order))

    def forward(
        self, x: Float[Tensor, "b c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Reorder; volumes are kept."""
        kept = x.new_zeros(x.shape[0], *x.shape[2:])
        if torch.compiler.is_exporting() and x.shape[1] <= NARROW:
            # Other runtimes gather along the last axis number by number.
            return F.linear(x.permute(0, 2, 3, 1), self.matrix()).permute(0, 3, 1, 2), kept
        return _Gather.apply(x, self.order, self.undo), kept

    def matrix(self) -> Float[Tensor, "c c"]:
        """The matrix that reorders the channels of a pixel."""
        eye = torch.eye(len(self.order), device=self.order.device)
        return eye[self.order]

    def inverse(
        self, z: Float[Tensor, "b c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Restore the order."""
        return _Gather.apply(z, self.undo, self.order), z.new_zeros(z.shape[0], *z.shape[2:])


class SoftPermutation(AbstractTransform):
    """A fixed rotation of the channels, the "soft" permutation of HGAD (METHODS §0.1, step 4).

    Args:
        rotation: An orthogonal matrix of determinant 1; the output is `rotation @ x` at each pixel.
    """

    rotation: Tensor

    def __init__(self, rotation: Float[Tensor, "c c"]) -> None:
        super().__init__()
        self.register_buffer("rotation", rotation.contiguous())

    def forward(
        self, x: Float[Tensor, "b c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Rotate; volumes are kept."""
        return _mix(self.rotation, x), x.new_zeros(x.shape[0], *x.shape[2:])

    def matrix(self) -> Float[Tensor, "c c"]:
        """The rotation."""
        return self.rotation

    def inverse(
        self, z: Float[Tensor, "b c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Rotate back."""
        return _mix(self.rotation.T, z), z.new_zeros(z.shape[0], *z.shape[2:])


def _mix(matrix: Float[Tensor, "c c"], x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """The matrix times the channels of every pixel, at full precision: it must be undone."""
    with torch.autocast(x.device.type, enabled=False):
        return F.conv2d(x, matrix[:, :, None, None])


def random_permutation(channels: int, generator: torch.Generator) -> Int[Tensor, " c"]:
    """A uniformly random order of `channels` channels."""
    return torch.randperm(channels, generator=generator)


def random_rotation(channels: int, generator: torch.Generator) -> Float[Tensor, "c c"]:
    """A rotation drawn uniformly (Haar) from SO(`channels`), float32."""
    gaussian = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    q, r = torch.linalg.qr(gaussian)
    q = q * r.diagonal().sign()
    q[:, 0] = q[:, 0] * torch.linalg.det(q).sign()
    return q.float()
