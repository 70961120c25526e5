"""The prior of VQ-Flow: one Gaussian for each concept."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from normalis.flows.context import Context
from normalis.flows.transform import AbstractTransform

__all__ = ["ConceptGaussian", "standard_normal_log_prob"]

LOG_SIGMA_BOUND = 3.0


class ConceptGaussian(AbstractTransform):
    r"""Standardises the latents with a mean and a scale that the concept's prototype gives.

    $z \leftarrow (z - \mu(\hat y)) / \sigma(\hat y)$, one value per channel, the same at every
    position. With a standard normal behind it, the density is
    $p(z \mid \hat y) = N(z; \mu(\hat y), \sigma(\hat y)^2)$, and over all prototypes a mixture.

    Args:
        channels: Channels of the latent.
        prototype: Dimension of the prototype $\hat y$.
        exact: $\log\sigma$ is bounded, starts at 0, and counts in the log-determinant. Otherwise
            the published form: $\sigma$ unconstrained, $z/\sqrt{\sigma^2 + 10^{-8}}$, and the
            division left out of the log-determinant, which leaves the objective unbounded.

    References:
        VQ-Flow (METHODS §1.5).
    """

    def __init__(self, channels: int, prototype: int, *, exact: bool = True) -> None:
        super().__init__()
        self.exact = exact
        self.mu = nn.Linear(prototype, channels)
        self.sigma = nn.Linear(prototype, channels)
        if exact:
            for head in (self.mu, self.sigma):
                nn.init.zeros_(head.weight)
                nn.init.zeros_(head.bias)

    def forward(
        self, x: Float[Tensor, "b c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Standardise.

        Args:
            x: Latents of the level's flow.
            context: `b k 1 1`, the prototype of each picture.
        """
        mu, log_sigma = self._moments(context)
        z = (x - mu[:, :, None, None]) * (-log_sigma[:, :, None, None]).exp()
        return z, self._log_det(log_sigma, x)

    def inverse(
        self, z: Float[Tensor, "b c h w"], context: Context = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Scale and shift back."""
        mu, log_sigma = self._moments(context)
        x = z * log_sigma[:, :, None, None].exp() + mu[:, :, None, None]
        return x, -self._log_det(log_sigma, z)

    def _moments(self, context: Context) -> tuple[Float[Tensor, "b c"], Float[Tensor, "b c"]]:
        """Mean and log of the scale."""
        assert isinstance(context, Tensor), "the concept's prior needs a prototype"
        prototype = context[:, :, 0, 0]
        # Under mixed precision the heads alone are coarse.
        dtype = self.mu.weight.dtype
        mu, raw = self.mu(prototype).to(dtype), self.sigma(prototype).to(dtype)
        if self.exact:
            return mu, LOG_SIGMA_BOUND * (raw / LOG_SIGMA_BOUND).tanh()
        return mu, 0.5 * (raw.square() + 1e-8).log()

    def _log_det(
        self, log_sigma: Float[Tensor, "b c"], x: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b h w"]:
        """The log-determinant at each position; the published form leaves it out."""
        per_picture = -log_sigma.sum(1) if self.exact else torch.zeros_like(log_sigma[:, 0])
        return per_picture[:, None, None].expand(-1, *x.shape[2:])


def standard_normal_log_prob(z: Float[Tensor, "b c h w"]) -> Float[Tensor, "b h w"]:
    """Log-density of a standard normal over the channels at each position, nats."""
    return -0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * torch.pi))
