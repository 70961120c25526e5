"""The autoencoder whose latent is Gaussian: what LSR must beat."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from normalis.autoencoder.contract import AbstractAutoencoder, Reconstruction
from normalis.autoencoder.networks import Decoder, Encoder

__all__ = ["VAE"]

LOG_VARIANCE_BOUND = 8.0


class VAE(AbstractAutoencoder):
    r"""Encoder, Gaussian latent at each place, decoder.

    Minimised is the negative evidence bound per dimension of the picture: a Laplace likelihood
    whose scale is the best one for the batch, $\log 2b + 1$ with $b = mean|x - \hat x|$, and the
    divergence of the latent from a standard normal. The best scale leaves no weight to be chosen
    between the two.

    Args:
        encoder: Pictures to features, as LSR's.
        decoder: Latents to pictures, as LSR's.
        width: Channels of both the features and the latent.

    References:
        The baseline of LSR (METHODS §3.3); the scale after Rybkin et al., arXiv 2006.13202.
    """

    def __init__(self, encoder: Encoder, decoder: Decoder, *, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.moments = nn.Conv2d(width, 2 * width, 1)

    def forward(
        self, x: Float[Tensor, "b c h w"], position: Float[Tensor, " b"] | None = None
    ) -> Reconstruction:
        """Pictures of a drawn latent in training, of the latent's mean otherwise."""
        mean, raw = self.moments(self.encoder(x, position)).float().chunk(2, 1)
        log_variance = LOG_VARIANCE_BOUND * (raw / LOG_VARIANCE_BOUND).tanh()
        z = mean
        if self.training:
            z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        pictures = self.decoder(z, position).float()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
        scale = (x - pictures).abs().mean().clamp_min(1e-6)
        return Reconstruction(
            pictures=pictures,
            distortion=(2 * scale).log() + 1,
            rate=divergence / x.numel(),
        )
