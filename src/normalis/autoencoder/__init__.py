"""Autoencoders of pictures: a vector-quantised one, and a Gaussian one to compare with."""

from normalis.autoencoder.contract import AbstractAutoencoder, Reconstruction
from normalis.autoencoder.networks import Decoder, Encoder, GatedBlock
from normalis.autoencoder.vae import VAE
from normalis.autoencoder.vqvae import VQVAE

__all__ = [
    "VAE",
    "VQVAE",
    "AbstractAutoencoder",
    "Decoder",
    "Encoder",
    "GatedBlock",
    "Reconstruction",
]
