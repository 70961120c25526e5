"""The vector quantiser whose codes are learned by gradient."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from normalis.quantize.ema import Quantized
from normalis.quantize.nearest import code_counts, kmeans, nearest_codes, straight_through

__all__ = ["GradientQuantizer"]


class GradientQuantizer(nn.Module):
    r"""Codes $e_1..e_K$ that descend the gradient of their own distance to their inputs.

    The commitment holds both terms of the VQ-VAE: $mean\|z - sg[e]\|^2$, which draws the input to
    its code, and $mean\|e - sg[z]\|^2$, which draws the code to its input.

    Args:
        size: $K$; codes start as U(-1/K, 1/K).
        dim: Their dimension.

    References:
        VQ-VAE (van den Oord et al., arXiv 1711.00937, equation 3); LSR (METHODS §3.1).
    """

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.size, self.dim = size, dim
        self.codes = nn.Parameter(torch.empty(size, dim).uniform_(-1 / size, 1 / size))

    @torch.no_grad()
    def set_codes_from(
        self, x: Float[Tensor, "n d"], generator: torch.Generator, *, restarts: int = 1
    ) -> None:
        """Take the k-means centres of `x` as codes."""
        self.codes.copy_(kmeans(x.float(), self.size, generator=generator, restarts=restarts))

    def quantize(self, x: Float[Tensor, "n d"]) -> Quantized:
        """The nearest code of every row of `x`; `commitment` is the sum of both terms."""
        x = x.float()
        index = nearest_codes(x.detach(), self.codes.detach())
        nearest = self.codes[index]
        return Quantized(
            values=straight_through(x, nearest),
            codes=index,
            commitment=F.mse_loss(x, nearest.detach()) + F.mse_loss(nearest, x.detach()),
            usage=code_counts(index, self.size),
        )
