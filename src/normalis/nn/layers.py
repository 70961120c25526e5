"""Small layers that several networks share."""

from itertools import pairwise
from typing import Any, final

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["ChannelNorm", "PointwiseMLP", "SyncedBatchNorm", "conv_subnet"]

_EPSILON = 1e-5  # of a variance


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each position of a `b c h w` map.

    Args:
        channels: Number of channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:  # noqa: A002
        """Normalise each position on its own; the shape is kept."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SyncedBatchNorm(nn.Module):
    """Batch normalisation whose statistics are those of the whole batch on every process.

    torch's own synchronised form needs a GPU; this one runs anywhere, so that several processes
    train the same model as one. With a single process it is torch's batch normalisation.

    Args:
        channels: Number of channels, the second axis of the input.
        momentum: Share of the newest batch in the running statistics.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, *, momentum: float = 0.1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.momentum = momentum

    def forward(self, x: Float[Tensor, "b c *grid"]) -> Float[Tensor, "b c *grid"]:
        """Normalise with the batch's statistics in training, with the running ones otherwise."""
        if not (self.training and dist.is_initialized() and dist.get_world_size() > 1):
            return F.batch_norm(
                x,
                self.mean,
                self.variance,
                self.weight,
                self.bias,
                training=self.training,
                momentum=self.momentum,
                eps=_EPSILON,
            )
        mean, variance = self._moments(x.float())
        scale = self.weight * (variance + _EPSILON).rsqrt()
        shape = (1, -1, *([1] * (x.ndim - 2)))
        return x * scale.view(shape) + (self.bias - mean * scale).view(shape)

    def fixed(self) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
        """Scale and shift of each channel by the running statistics."""
        scale = self.weight * (self.variance + _EPSILON).rsqrt()
        return scale, self.bias - self.mean * scale

    def _moments(
        self, x: Float[Tensor, "b c *grid"]
    ) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
        """Mean and biased variance over all processes; the running statistics follow."""
        axes = [axis for axis in range(x.ndim) if axis != 1]
        count = x.new_full((1,), x.numel() / x.shape[1])
        count, total = _sum_over_processes(count), _sum_over_processes(x.sum(axes))
        mean = total / count
        centred = x - mean.view(1, -1, *([1] * (x.ndim - 2)))
        variance = _sum_over_processes(centred.square().sum(axes)) / count
        with torch.no_grad():
            self.mean.lerp_(mean, self.momentum)
            self.variance.lerp_(variance * count / (count - 1), self.momentum)
        return mean, variance


class _SumOverProcesses(torch.autograd.Function):
    """What enters every process's sum is told by every process's gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401, ARG004
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:  # noqa: ANN401, ARG004
        return _SumOverProcesses.apply(grads[0])


def _sum_over_processes(x: Tensor) -> Tensor:
    """The sum over processes, with its gradient."""
    return _SumOverProcesses.apply(x)


def conv_subnet(
    inputs: int, outputs: int, *, hidden: int, kernel: int = 3, norm: bool = True
) -> nn.Sequential:
    """The network inside a coupling: convolution, channel norm, ReLU, convolution.

    The last convolution starts at zero, so that a coupling starts as its affine part alone.

    Args:
        inputs: Channels in, passive half and condition together.
        outputs: Channels out, shift and scale together.
        hidden: Channels between the convolutions.
        kernel: Side of both convolutions; 3 in VQ-Flow (METHODS §1.4), 1 treats pixels as vectors.
        norm: Normalise the hidden channels; HGAD does not (METHODS §2.1).
    """
    last = nn.Conv2d(hidden, outputs, kernel, padding=kernel // 2)
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    first = nn.Conv2d(inputs, hidden, kernel, padding=kernel // 2)
    between = [ChannelNorm(hidden)] if norm else []
    return nn.Sequential(first, *between, nn.ReLU(), last)


@final
class PointwiseMLP(nn.Sequential):
    """Convolutions of one pixel, each followed by batch normalisation and ReLU.

    Args:
        *widths: Channels in, between and out; two or more.
    """

    def __init__(self, *widths: int) -> None:
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            # No bias: the batch normalisation behind it would take it away.
            conv = nn.Conv2d(inputs, outputs, 1, bias=False)
            layers += [conv, SyncedBatchNorm(outputs), nn.ReLU()]
        super().__init__(*layers)

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:  # noqa: A002
        """In evaluation as one product a layer, channels last, its normalisation folded in."""
        if self.training:
            return super().forward(input)
        rows = input.permute(0, 2, 3, 1)
        convs = (layer for layer in self if isinstance(layer, nn.Conv2d))
        norms = (layer for layer in self if isinstance(layer, SyncedBatchNorm))
        for conv, norm in zip(convs, norms, strict=True):
            scale, shift = norm.fixed()
            rows = F.linear(rows, conv.weight[:, :, 0, 0] * scale[:, None], shift).relu_()
        return rows.permute(0, 3, 1, 2)
