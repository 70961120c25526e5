"""Puts an LSR together from its settings."""

import torch

from normalis.autoencoder.contract import AbstractAutoencoder
from normalis.autoencoder.networks import Decoder, Encoder
from normalis.autoencoder.vae import VAE
from normalis.autoencoder.vqvae import VQVAE
from normalis.detectors.contract import PictureShapes
from normalis.detectors.lsr.detector import LSR
from normalis.detectors.lsr.form import LSRForm
from normalis.detectors.lsr.grain import Grain
from normalis.detectors.lsr.scale import PictureScale
from normalis.detectors.lsr.settings import LSRSettings
from normalis.errors import SettingsError
from normalis.prior.contract import AbstractPrior
from normalis.prior.snail import PixelSNAIL
from normalis.prior.transformer import CausalTransformer
from normalis.quantize.ema import EMAQuantizer
from normalis.quantize.gradient import GradientQuantizer

__all__ = ["build_lsr"]


def build_lsr(settings: LSRSettings, shapes: PictureShapes, *, seed: int) -> LSR:
    """An LSR over these pictures, its weights drawn from the seed.

    Args:
        settings: Widths, depths and switches.
        shapes: Of the prepared picture and its feature pyramid.
        seed: Of the weights, and of the numbers that decide what restorations draw.

    Raises:
        SettingsError: A map that the pyramid does not have, or sides that the autoencoder's steps
            do not divide.
    """
    if settings.level >= len(shapes.features):
        raise SettingsError(
            f"lsr.level is {settings.level}, but the backbone gives maps 0 to "
            f"{len(shapes.features) - 1}"
        )
    channels, *side = shapes.features[settings.level]
    if (channels, *side) not in ((3, *shapes.size), (1, *shapes.size)):
        _refuse_for_features(settings)
    rows, columns = (_grid_side(settings, pixels) for pixels in side)
    restores = settings.score == "restoration"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        autoencoder = _autoencoder(settings, channels, located=shapes.located)
        prior = None
        if restores:
            prior = _prior(settings, (rows, columns), located=shapes.located)
        chance = torch.rand(settings.restorations if restores else 0, rows * columns)
    return LSR(
        autoencoder=autoencoder,
        prior=prior,
        scale=PictureScale(channels, by_picture=settings.scale == "picture"),
        thresholds=(settings.sample_threshold, settings.place_threshold),
        chance=chance,
        form=LSRForm(
            size=shapes.size,
            level=settings.level,
            shrink=settings.shrink,
            located=shapes.located,
            augments=settings.augmentation == "scans",
            data_codes=settings.data_codes,
            sample_share=settings.sample_share if settings.found_thresholds else None,
            place_share=settings.place_share,
            sharpness=settings.sharpness,
            of_mean=settings.compared == "mean",
            weighed=settings.weighed,
            erosion=settings.erosion,
            smoothing=settings.smoothing,
            across=settings.across,
        ),
        grain=_grain(settings) if restores and settings.grain else None,
    )


def _refuse_for_features(settings: LSRSettings) -> None:
    """What needs pixels, where there are none."""
    if settings.scale == "picture":
        raise SettingsError(
            "lsr.scale is picture, but the features of a network have no brightness to scale by; "
            "set lsr.scale to set, or backbone.name to pixels"
        )
    if settings.grain:
        raise SettingsError(
            f"lsr.grain is {settings.grain}, but the features of a network have none; set "
            "lsr.grain to 0, or backbone.name to pixels"
        )


def _grid_side(settings: LSRSettings, pixels: int) -> int:
    """Places of the latent grid along a side."""
    step = settings.shrink * settings.stem * 2 ** (len(settings.widths) - 1)
    if pixels % step:
        below = pixels // step * step
        near = f"{below} or {below + step}" if below else f"{step}"
        raise SettingsError(
            f"A side of {pixels} is no multiple of {step}, which lsr.shrink, lsr.stem and "
            f"lsr.widths divide it by; the nearest allowed is {near} (preparation.height, "
            "preparation.width)."
        )
    return pixels // step


def _grain(settings: LSRSettings) -> Grain:
    """Over squares that show what those of the other map's last filter show."""
    return Grain(settings.grain, 2 * (settings.shrink * (settings.smoothing // 2)) + 1)


def _autoencoder(settings: LSRSettings, channels: int, *, located: bool) -> AbstractAutoencoder:
    """With codes or with a Gaussian latent, in the layout in which convolutions are fastest."""
    width = settings.widths[-1]
    widths, blocks, stem = settings.widths, settings.blocks, settings.stem
    encoder = Encoder(channels, widths=widths, blocks=blocks, stem=stem, located=located)
    decoder = Decoder(channels, widths=widths, blocks=blocks, stem=stem, located=located)
    if settings.latent == "gaussian":
        return VAE(encoder, decoder, width=width)
    kind = EMAQuantizer if settings.codebook == "average" else GradientQuantizer
    return VQVAE(encoder, decoder, quantizer=kind(settings.codes, width))


def _prior(settings: LSRSettings, grid: tuple[int, int], *, located: bool) -> AbstractPrior:
    """The prior over the grid of codes."""
    width, depth = settings.prior_width, settings.prior_depth
    if settings.prior == "snail":
        return PixelSNAIL(settings.codes, grid, width=width, blocks=depth, located=located)
    return CausalTransformer(settings.codes, grid, width=width, depth=depth, located=located)
