"""The network of a coupling over single pixels, when it learns: what it is told in parts.

`conv_subnet` with a kernel of 1 treats every pixel as a vector, and maps as tables of rows. Its
first layer is linear: $W[x; c; p] = W_x x + W_c c + W_p p$, so that nothing needs to be stacked,
and what is the same all over a picture is multiplied once for each picture. Its gradient is written
out: autograd would copy and convert what is large several times over.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["compute_dtype", "is_pointwise", "pointwise_subnet"]

Grads = tuple[Tensor | None, ...]


def is_pointwise(subnet: nn.Module) -> bool:
    """Whether this is a `conv_subnet` over single pixels."""
    layers = list(subnet.children())
    first = layers[0] if len(layers) in (3, 4) else None
    return isinstance(first, nn.Conv2d) and first.kernel_size == (1, 1)


def compute_dtype(x: Tensor) -> torch.dtype:
    """The type in which a network computes on `x`: its own, or that of mixed precision."""
    if torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    return x.dtype


def pointwise_subnet(
    subnet: nn.Module,
    x: Float[Tensor, "b h w c"],
    *,
    context: Float[Tensor, "b k h w"] | None,
    picture: Float[Tensor, "b p"] | None,
) -> Float[Tensor, "b h w o"]:
    """What `subnet` says of `x`, the context and the picture, stacked in this order.

    Args:
        subnet: One that `is_pointwise`.
        x: Channels last.
        context: Of each pixel.
        picture: The same for all pixels of a picture.
    """
    first, *between, last = (layer for layer in subnet.children() if not isinstance(layer, nn.ReLU))
    assert isinstance(first, nn.Conv2d)
    assert isinstance(last, nn.Conv2d)
    assert first.bias is not None
    dtype = compute_dtype(x)
    widths = [x.shape[-1], 0 if context is None else context.shape[1]]
    own, told, same = first.weight[:, :, 0, 0].tensor_split([widths[0], sum(widths)], dim=1)
    norm = between[0] if between else None
    assert norm is None or isinstance(norm, nn.LayerNorm)
    with torch.autocast(x.device.type, enabled=False):
        base = first.bias[None] if picture is None else F.linear(picture, same, first.bias)
        out = _Subnet.apply(
            x.flatten(0, 2).to(dtype),
            None if context is None else context.permute(0, 2, 3, 1).flatten(0, 2).to(dtype),
            base.to(dtype),
            own.to(dtype),
            told.to(dtype),
            norm and norm.weight,
            norm and norm.bias,
            last.weight[:, :, 0, 0].to(dtype),
            last.bias,
        )
    return out.view(*x.shape[:3], -1)


class _Subnet(torch.autograd.Function):
    """Linear, norm if any, ReLU, linear, over rows; of the first layer a share is given."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Float[Tensor, "n c"],
        context: Float[Tensor, "n k"] | None,
        base: Float[Tensor, "q d"],
        own: Float[Tensor, "d c"],
        told: Float[Tensor, "d k"],
        scale: Float[Tensor, " d"] | None,
        shift: Float[Tensor, " d"] | None,
        last: Float[Tensor, "o d"],
        bias: Float[Tensor, " o"],
    ) -> Float[Tensor, "n o"]:
        """Also `base`: what is the same for each of `q` runs of rows."""
        first = x @ own.T if context is None else (context @ told.T).addmm_(x, own.T)
        first.view(len(base), -1, len(own)).add_(base[:, None])
        if scale is None:
            hidden, moments = first.relu_(), (None, None)
        else:
            hidden, *moments = torch.native_layer_norm(first, [len(own)], scale, shift, 1e-5)
            hidden.relu_()
        ctx.save_for_backward(x, context, own, told, scale, shift, last, *(first, hidden), *moments)
        ctx.runs = len(base)
        return F.linear(hidden, last, bias.to(last))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] (the decorator's names)
        ctx: Any,  # noqa: ANN401
        *grads: Tensor,
    ) -> Grads:
        """Every product once."""
        x, context, own, told, scale, shift, last, first, hidden, *moments = ctx.saved_tensors
        grad = grads[0]
        inner = torch.ops.aten.threshold_backward(grad @ last, hidden, 0)
        scales = (None, None)
        if scale is not None:
            inner, *scales = torch.ops.aten.native_layer_norm_backward(
                inner, first, [len(own)], *moments, scale, shift, [True, True, True]
            )
        return (
            inner @ own,
            None if context is None else inner @ told,
            inner.view(ctx.runs, -1, len(own)).sum(1),
            inner.T @ x,
            None if context is None else inner.T @ context,
            *scales,
            grad.T @ hidden,
            grad.sum(0),
        )
