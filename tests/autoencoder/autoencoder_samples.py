"""Small autoencoders, and pictures of a few kinds."""

import torch
from torch import Tensor

from normalis.autoencoder import VAE, VQVAE, Decoder, Encoder
from normalis.quantize import EMAQuantizer, GradientQuantizer

__all__ = ["WIDTHS", "made_pictures", "made_vae", "made_vqvae"]

WIDTHS = (4, 8, 8)  # two halvings


def made_pictures(count: int, *, seed: int = 0) -> Tensor:
    """Bright squares on dark, 16 x 16, one of four places each."""
    generator = torch.Generator().manual_seed(seed)
    x = 0.05 * torch.randn(count, 1, 16, 16, generator=generator)
    for row in range(count):
        top, left = 8 * (row % 2), 8 * (row // 2 % 2)
        x[row, 0, top + 1 : top + 7, left + 1 : left + 7] += 1
    return x


def made_vqvae(
    *, located: bool = False, gradient: bool = True, size: int = 8, stem: int = 1
) -> VQVAE:
    torch.manual_seed(0)
    encoder, decoder = _networks(located=located, stem=stem)
    quantizer = GradientQuantizer(size, 8) if gradient else EMAQuantizer(size, 8)
    return VQVAE(encoder, decoder, quantizer=quantizer)


def made_vae(*, located: bool = False, stem: int = 1) -> VAE:
    torch.manual_seed(0)
    return VAE(*_networks(located=located, stem=stem), width=8)


def _networks(*, located: bool, stem: int) -> tuple[Encoder, Decoder]:
    return (
        Encoder(1, widths=WIDTHS, blocks=1, stem=stem, located=located),
        Decoder(1, widths=WIDTHS, blocks=1, stem=stem, located=located),
    )
