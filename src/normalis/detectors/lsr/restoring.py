"""From standardised pictures to what they would be with likelier codes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from normalis.autoencoder.vqvae import VQVAE
from normalis.detectors.lsr.form import Restorations
from normalis.detectors.lsr.maps import restoration_weights
from normalis.prior.contract import AbstractPrior, code_nll
from normalis.prior.restoration import restore

__all__ = ["nll_of", "restorations_of"]


def nll_of(
    prior: AbstractPrior, codes: Int[Tensor, "b i j"], *, where: Float[Tensor, " b"] | None
) -> Float[Tensor, "b i j"]:
    """Of each code, given those before it, nats."""
    return code_nll(prior(codes, where).permute(0, 2, 3, 1), codes)


def restorations_of(
    x: Float[Tensor, "b c h w"],
    where: Float[Tensor, " b"] | None,
    *,
    vqvae: VQVAE,
    prior: AbstractPrior,
    threshold: float,
    chance: Float[Tensor, "s n"],
    sharpness: float,
) -> Restorations:
    """Restorations of standardised pictures, standardised.

    Args:
        x: Pictures, or feature maps.
        where: Where in its volume each slice lies.
        vqvae: Their codes, and back.
        prior: Over the codes.
        threshold: See `normalis.prior.restoration.restore`, as for `chance`.
        chance: One number for each restoration and place.
        sharpness: Of the weights over restorations.

    References:
        LSR (METHODS §3.3).
    """
    codes = vqvae.encode(x, where)
    restored = restore(prior, codes, threshold=threshold, chance=chance, position=where)
    each = [
        vqvae.decode(some, None if where is None else where[i].expand(len(chance)))
        for i, some in enumerate(restored)
    ]
    pictures = torch.stack(each)
    weights = restoration_weights(x, pictures, sharpness=sharpness)
    return Restorations(nll_of(prior, codes, where=where), pictures, weights)
