"""Linear steps: channel permutations, rotations and a fixed whitening."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from normalis.flows.transform import AbstractTransform

__all__ = ["HardPermutation", "SoftPermutation", "Whitening", "random_permutation", "random_rotation"]


class _Gather(torch.autograd.Function):
    """Reorder channels, with a gather for the gradient too: an index's own gradient is a slow scatter."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(order, inverse)
        return x.index_select(1, order)

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
        self, x: Float[Tensor, "b c h w"], context: Float[Tensor, "b k h w"] | None = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Reorder; volumes are kept."""
        return _Gather.apply(x, self.order, self.undo), x.new_zeros(x.shape[0], *x.shape[2:])

    def inverse(
        self, z: Float[Tensor, "b c h w"], context: Float[Tensor, "b k h w"] | None = None
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
        self.register_buffer("rotation", rotation)

    def forward(
        self, x: Float[Tensor, "b c h w"], context: Float[Tensor, "b k h w"] | None = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Rotate; volumes are kept."""
        return _mix(self.rotation, x), x.new_zeros(x.shape[0], *x.shape[2:])

    def inverse(
        self, z: Float[Tensor, "b c h w"], context: Float[Tensor, "b k h w"] | None = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Rotate back."""
        return _mix(self.rotation.T, z), z.new_zeros(z.shape[0], *z.shape[2:])


class Whitening(AbstractTransform):
    """A linear step set once from the data: it starts as the identity, and is never learned.

    A coupling flow moves channels by about as much as they are wide, so features whose channels
    differ a hundredfold in scale, or move together, cost it most of its depth. One exact linear
    map takes that away before the first coupling.

    Args:
        channels: Number of channels.
    """

    mean: Tensor
    matrix: Tensor
    unmatrix: Tensor
    log_det: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("matrix", torch.eye(channels))
        self.register_buffer("unmatrix", torch.eye(channels))
        self.register_buffer("log_det", torch.zeros(()))

    @torch.no_grad()
    def set_moments(
        self,
        mean: Float[Tensor, " c"],
        covariance: Float[Tensor, "c c"],
        *,
        rotate: bool = True,
        floor: float = 1e-3,
    ) -> None:
        """Set the step from the moments of the data.

        Args:
            mean: Mean of every channel.
            covariance: Covariance of the channels, symmetric.
            rotate: Whiten fully (ZCA: the whitened channels stay as near the old as they can);
                otherwise divide every channel by its own standard deviation.
            floor: Eigenvalues are raised to this share of their mean, so that directions in which
                the data hardly move are not blown up.
        """
        covariance = covariance.double() if rotate else covariance.double().diagonal().diag()
        values, vectors = torch.linalg.eigh(covariance)
        values = values.clamp_min(0) + floor * values.mean()
        self.mean.copy_(mean)
        self.matrix.copy_(vectors @ (values**-0.5).diag() @ vectors.T)
        self.unmatrix.copy_(vectors @ (values**0.5).diag() @ vectors.T)
        self.log_det.copy_(-0.5 * values.log().sum())

    def forward(
        self, x: Float[Tensor, "b c h w"], context: Float[Tensor, "b k h w"] | None = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Subtract the mean, then mix the channels."""
        z = _mix(self.matrix, x - self.mean.view(1, -1, 1, 1))
        return z, self.log_det.expand(x.shape[0], *x.shape[2:])

    def inverse(
        self, z: Float[Tensor, "b c h w"], context: Float[Tensor, "b k h w"] | None = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Mix back, then add the mean."""
        x = _mix(self.unmatrix, z) + self.mean.view(1, -1, 1, 1)
        return x, (-self.log_det).expand(z.shape[0], *z.shape[2:])


def _mix(matrix: Float[Tensor, "c c"], x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """The matrix times the channels of every pixel."""
    return torch.nn.functional.conv2d(x, matrix[:, :, None, None])


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
