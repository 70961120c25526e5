"""The settings of LSR and of its baselines, each departure from the published form named."""

import math
from dataclasses import dataclass
from typing import Literal

from normalis.errors import SettingsError

__all__ = ["PUBLISHED", "LSRSettings"]


@dataclass(frozen=True, kw_only=True)
class LSRSettings:
    r"""Widths, depths and switches of LSR (METHODS §3).

    The defaults are the corrected form at a size that trains on a processor core; the presets
    `lsr-paper`, `vqvae` and `vae` of `normalis.presets` hold the others.

    Attributes:
        level: The map of the pyramid that is restored, by index; the `pixels` backbone has one.
        located: Networks are told where in its volume a slice lies, if the pictures say so.
        scale: What pictures are standardised by: the `set` of all training pictures, or each
            `picture` first by its own median brightness (pixels alone).
        shrink: [ours] Side of the square of pixels whose mean is one pixel of what is restored: the
            networks are as fast as for a smaller picture, while the map still sees the picture.
        augmentation: `scans`: training pictures are mirrored, turned, scaled and bent a little, as
            another patient would lie; or `none`, for parts that always lie alike.
        latent: `codes`, or `gaussian`, the latent of a plain VAE, which has no prior to learn.
        score: `restoration`: by the likelihood of the codes and what restoration changes; or
            `reconstruction`: by what the autoencoder itself changes (the baselines).
        widths: Channels at each resolution of the autoencoder, the latent's last; each step between
            two halves both sides.
        blocks: Gated blocks at each resolution.
        stem: Stride of the first convolution, 1 (paper) or [ours] 2.
        codes: Size of the codebook.
        codebook: How codes learn: `average` by moving averages, dead ones revived, or `gradient`
            (paper).
        data_codes: [fix] Codes start from data (METHODS §0.3).
        prior: `transformer` [fix] or `snail` (paper).
        prior_width: Channels of the prior.
        prior_depth: Blocks of the prior.
        found_thresholds: [fix] The thresholds are percentiles of the likelihoods on held-out
            normal pictures; otherwise those below.
        sample_share: Share of held-out normal codes beyond the threshold that counts for a picture.
        place_share: The same for the one beyond which a code is drawn anew.
        sample_threshold: $\lambda_s$ of the published form, nats.
        place_threshold: $\lambda_p$ of the published form, nats.
        restorations: $S$, restorations of each picture.
        sharpness: Restorations weigh $softmax(sharpness / d_j)$, $d_j$ their mean difference from
            the picture.
        compared: What the picture is compared with: the weighted `mean` of its restorations [ours],
            in which what single draws made of it evens out, or `each` of them, the differences
            weighted (paper).
        weighed: [ours] A difference counts by how unlikely the codes around it are: where the
            decoder blurs, pictures and restorations differ, too, but the codes are likely.
        grain: [ours] Weight in the map of the picture's grain, which no restoration shows (see
            `normalis.detectors.lsr.grain`), both in units of held-out normal pictures; 0 leaves the
            map of restoration alone, as it is. Pixels alone.
        erosion: Side of the square over which the map takes its minimum, odd; 1 for none.
        smoothing: Side of the square over which it then takes the mean, odd; 1 for none.
        across: Neighbouring slices of a volume over which its map takes the minimum and then the
            mean, odd; 1 for none, as where slices are thicker than what is looked for.
    """

    level: int = 0
    located: bool = True
    scale: Literal["set", "picture"] = "picture"
    shrink: int = 1
    augmentation: Literal["scans", "none"] = "scans"
    latent: Literal["codes", "gaussian"] = "codes"
    score: Literal["restoration", "reconstruction"] = "restoration"
    widths: tuple[int, ...] = (16, 48, 128)
    blocks: int = 1
    stem: int = 2
    codes: int = 128
    codebook: Literal["average", "gradient"] = "average"
    data_codes: bool = True
    prior: Literal["transformer", "snail"] = "transformer"
    prior_width: int = 128
    prior_depth: int = 4
    found_thresholds: bool = True
    sample_share: float = 0.02
    place_share: float = 0.10
    sample_threshold: float = 7.0
    place_threshold: float = 5.0
    restorations: int = 15
    sharpness: float = 3.0
    compared: Literal["mean", "each"] = "mean"
    weighed: bool = True
    grain: float = 0.0
    erosion: int = 3
    smoothing: int = 7
    across: int = 3

    @property
    def most_concepts(self) -> int:
        """There is one concept, what is healthy."""
        return 1

    @property
    def concept_source(self) -> Literal["found", "learned", "categories"]:
        """It needs no learning."""
        return "found"

    def __post_init__(self) -> None:
        """Refuse what cannot work, with the setting's name."""
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise SettingsError(
                f"lsr.widths is {list(self.widths)}; two or more numbers, each at least 1"
            )
        if self.stem not in (1, 2):
            raise SettingsError(f"lsr.stem is {self.stem}; it can be 1 or 2")
        if self.latent == "gaussian" and self.score == "restoration":
            raise SettingsError(
                "lsr.latent gaussian has no codes to restore; set lsr.score to reconstruction"
            )
        self._check_numbers()

    def _check_numbers(self) -> None:
        for name in ("erosion", "smoothing", "across"):
            side = getattr(self, name)
            if side < 1 or side % 2 == 0:
                raise SettingsError(f"lsr.{name} is {side}; it is an odd number, 1 or more")
        for name in ("sample_share", "place_share"):
            if not 0 < getattr(self, name) < 1:
                raise SettingsError(f"lsr.{name} is {getattr(self, name)}; it lies in (0, 1)")
        if self.codes < 2:
            raise SettingsError(f"lsr.codes is {self.codes}; at least 2")
        for name in ("shrink", "blocks", "prior_depth", "restorations"):
            if getattr(self, name) < 1:
                raise SettingsError(f"lsr.{name} is {getattr(self, name)}; at least 1")
        if self.prior_width < 4 or self.prior_width % 4:
            raise SettingsError(f"lsr.prior_width is {self.prior_width}; a multiple of 4")
        for name in ("level", "sharpness", "grain"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"lsr.{name} is {getattr(self, name)}; 0 or more")


PUBLISHED = LSRSettings(
    scale="set",
    widths=(16, 32, 64, 256),
    blocks=2,
    stem=1,
    codebook="gradient",
    data_codes=False,
    prior="snail",
    found_thresholds=False,
    compared="each",
    weighed=False,
)
"""As published (METHODS §3), on a grid of 20 x 20 for pictures of 160 x 160 pixels."""
