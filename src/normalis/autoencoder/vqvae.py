"""The autoencoder whose latent is a grid of codes."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from normalis.autoencoder.contract import AbstractAutoencoder, Reconstruction
from normalis.autoencoder.networks import Decoder, Encoder
from normalis.quantize.ema import EMAQuantizer
from normalis.quantize.gradient import GradientQuantizer

__all__ = ["VQVAE"]


class VQVAE(AbstractAutoencoder):
    r"""Encoder, codebook, decoder: $mean|x - \hat x|$ and the quantiser's commitment are minimised.

    Args:
        encoder: Pictures to latents.
        decoder: Codes to pictures.
        quantizer: Of the latents' dimension; its codes learn by gradient (paper) or follow their
            inputs, which is a call of `update` away.

    References:
        LSR (METHODS §3.1); VQ-VAE (van den Oord et al., arXiv 1711.00937).
    """

    def __init__(
        self, encoder: Encoder, decoder: Decoder, *, quantizer: EMAQuantizer | GradientQuantizer
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.quantizer = quantizer

    def forward(
        self, x: Float[Tensor, "b c h w"], position: Float[Tensor, " b"] | None = None
    ) -> Reconstruction:
        """Pictures again, after quantisation; nothing is updated."""
        latents = self.encoder(x, position)
        rows = _rows(latents)
        quantized = self.quantizer.quantize(rows)
        grid = quantized.values.unflatten(0, (x.shape[0], *latents.shape[2:])).permute(0, 3, 1, 2)
        pictures = self.decoder(grid, position).float()
        return Reconstruction(
            pictures=pictures,
            distortion=F.l1_loss(pictures, x),
            rate=quantized.commitment,
            latents=rows.detach(),
            quantized=quantized,
        )

    def encode(
        self, x: Float[Tensor, "b c h w"], position: Float[Tensor, " b"] | None = None
    ) -> Int[Tensor, "b i j"]:
        """The grid of codes of each picture."""
        latents = self.encoder(x, position)
        codes = self.quantizer.quantize(_rows(latents)).codes
        return codes.unflatten(0, (x.shape[0], *latents.shape[2:]))

    def decode(
        self, codes: Int[Tensor, "b i j"], position: Float[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        """The picture of each grid of codes."""
        return self.decoder(self.quantizer.codes[codes].permute(0, 3, 1, 2), position).float()

    @torch.no_grad()
    def set_codes(
        self,
        x: Float[Tensor, "b c h w"],
        position: Float[Tensor, " b"] | None = None,
        *,
        generator: torch.Generator,
    ) -> None:
        """Start the codes from the latents of these pictures [fix] (METHODS §0.3)."""
        self.quantizer.set_codes_from(_rows(self.encoder(x, position)), generator)


def _rows(latents: Float[Tensor, "b d i j"]) -> Float[Tensor, "n d"]:
    """One row for each place, pictures one after another, in raster order."""
    return latents.permute(0, 2, 3, 1).flatten(0, 2).float()
