"""LSR: a picture's codes, how likely they are, and the picture with likelier ones."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from normalis.autoencoder.contract import AbstractAutoencoder
from normalis.autoencoder.vqvae import VQVAE
from normalis.detectors.contract import AbstractDetector
from normalis.detectors.levels import upsample
from normalis.detectors.lsr.augment import augmented
from normalis.detectors.lsr.form import LSRForm, Restorations
from normalis.detectors.lsr.maps import CODE_MAP, anomaly_map, restoration_weights, unlikely
from normalis.detectors.lsr.scale import PictureScale
from normalis.detectors.records import (
    Assignment,
    Batch,
    GraphMap,
    Losses,
    PaperScores,
    ParameterGroup,
    Scores,
    Term,
)
from normalis.prior.contract import AbstractPrior, code_nll
from normalis.prior.restoration import restore
from normalis.quantize.ema import EMAQuantizer

__all__ = ["LSR"]

AUTOENCODER, PRIOR = "autoencoder", "prior"
SEEDING_BATCHES = 8  # batches from which the codes start


class LSR(AbstractDetector):
    r"""Latent-space restoration, or with no prior the reconstruction error of an autoencoder.

    The autoencoder is learned first, then, with it frozen, the prior. Which codes a restoration
    draws is decided by numbers that are drawn once, with the weights, and kept with them: so a
    score is a function of the picture alone.

    Args:
        autoencoder: Of the standardised map.
        prior: Over its codes; None scores by reconstruction.
        scale: Of the map.
        thresholds: $\lambda_s$ and $\lambda_p$, nats, until they are estimated.
        chance: One number in [0, 1) for each restoration and place.
        form: How restorations become a map.

    References:
        LSR (METHODS §3).
    """

    thresholds: Tensor
    chance: Tensor

    def __init__(
        self,
        *,
        autoencoder: AbstractAutoencoder,
        prior: AbstractPrior | None,
        scale: PictureScale,
        thresholds: tuple[float, float],
        chance: Float[Tensor, "s n"],
        form: LSRForm,
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.prior = prior
        self.form = form
        self.stage = AUTOENCODER
        self.scale = scale
        self.register_buffer("thresholds", torch.tensor(thresholds))
        self.register_buffer("chance", chance)

    @property
    def stages(self) -> tuple[str, ...]:
        """What is learned, one after the other."""
        return (AUTOENCODER,) if self.prior is None else (AUTOENCODER, PRIOR)

    def enter(self, stage: str) -> None:
        """From here on learn this part."""
        self.stage = stage
        self.autoencoder.requires_grad_(stage == AUTOENCODER)
        # What the finished part has left would count in the norm that bounds the gradient.
        self.zero_grad(set_to_none=True)
        self.train(self.training)

    def parameter_groups(self) -> tuple[ParameterGroup, ...]:
        """Those of the part that is learned."""
        part = self._prior if self.stage == PRIOR else self.autoencoder
        return (ParameterGroup(tuple(part.parameters())),)

    def train(self, mode: bool = True) -> "LSR":  # noqa: FBT001, FBT002
        """While the prior learns, the autoencoder is as it will be."""
        super().train(mode)
        if self.stage == PRIOR:
            self.autoencoder.eval()
        return self

    def loss(self, batch: Batch) -> Losses:
        """Of the part that learns: distortion and rate, or the codes' likelihood."""
        x, where = self._standard(batch.maps), self._where(batch.maps)
        if self.training and self.form.augments:
            x = augmented(x)
        if self.stage == PRIOR:
            with torch.no_grad():
                codes = self._vqvae.encode(x, where)
            nll = F.cross_entropy(self._prior(codes, where).float(), codes)
            return Losses(total=nll, nll=nll)
        result = self.autoencoder(x, where)
        assignments: tuple[Assignment, ...] = ()
        if (found := result.quantized) is not None and result.latents is not None:
            assignments = (Assignment("codes", result.latents, found.codes, found.usage),)
        total = result.distortion + result.rate
        terms = (Term("distortion", result.distortion), Term("rate", result.rate))
        return Losses(total=total, nll=total, terms=terms, assignments=assignments)

    @torch.no_grad()
    def update_codebooks(self, losses: Losses, generator: torch.Generator) -> None:
        """Move the codes after a step, where they are moving averages."""
        for given in losses.assignments:
            quantizer = self._vqvae.quantizer
            if isinstance(quantizer, EMAQuantizer):
                quantizer.update(given.inputs, given.codes, generator=generator)

    @torch.no_grad()
    def initialise(
        self,
        batches: Callable[[], Iterator[list[Tensor]]],
        *,
        seed: int,
        label: Int[Tensor, " n"] | None = None,
    ) -> None:
        """Set what starts from data: mean and spread of the map, and the codes."""
        self.scale.learn(maps[self.form.level] for maps in batches())
        if isinstance(self.autoencoder, VQVAE) and self.form.data_codes:
            first = list(islice(batches(), SEEDING_BATCHES))
            joined = [torch.cat(level) for level in zip(*first, strict=True)]
            x = self._standard(joined)
            generator = torch.Generator().manual_seed(seed)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)  # of the encoder's dropout
                self._vqvae.set_codes(x, self._where(joined), generator=generator)

    @torch.no_grad()
    def set_scale(self, batches: Iterable[list[Tensor]]) -> None:
        """Take the thresholds from the likelihoods of held-out normal pictures' codes."""
        if self.prior is None or self.form.sample_share is None:
            return
        nll = torch.cat([self._nll(maps).flatten() for maps in batches])
        shares = nll.new_tensor([self.form.sample_share, self.form.place_share])
        self.thresholds.copy_(nll.quantile(1 - shares))

    @torch.no_grad()
    def concepts(self, maps: list[Tensor]) -> Int[Tensor, " b"]:
        """One concept: what is healthy."""
        return torch.zeros(maps[0].shape[0], dtype=torch.long, device=maps[0].device)

    @torch.no_grad()
    def score(self, maps: list[Tensor]) -> Scores:
        """What restoration, or reconstruction, changes; and the likelihood of unlikely codes."""
        x, weight = self._standard(maps), None
        if self.prior is None:
            restored = self.autoencoder(x, self._where(maps)).pictures
            difference = (x - restored).abs().mean(1)
            image = difference.mean((1, 2))
        else:
            found = self._restorations(x, self._where(maps))
            restored = found.mean
            difference = found.difference(x, of_mean=self.form.of_mean)
            image = unlikely(found.nll, self.thresholds[0])
            weight = found.nll if self.form.weighed else None
        picture = self._picture(restored, maps[self.form.level])
        difference = difference / self.scale.contrast(maps[self.form.level])
        values = anomaly_map(difference, weight, form=self.form)
        return Scores(values, image, self.concepts(maps), restored=picture)

    @property
    def located(self) -> bool:
        """Whether the last map must say where in its volume each slice lies."""
        return self.form.located

    @property
    def across(self) -> int:
        """As its form says."""
        return self.form.across

    @property
    def scores_as_published(self) -> bool:
        """The published scores are absolute, and `lsr-paper` has their thresholds."""
        return True

    @property
    def no_graph(self) -> str | None:
        """A graph takes pictures alone."""
        return "each slice comes with its place in the volume" if self.form.located else None

    @property
    def graph_map(self) -> GraphMap | None:
        """Restoration draws codes one after another, so a graph says which codes it would draw."""
        if self.prior is None:
            return None
        return GraphMap(CODE_MAP, 0.0, float(self.thresholds[1]))

    @torch.no_grad()
    def score_in_graph(self, maps: list[Tensor]) -> Scores:
        """The scores and concepts of `score` from one pass, without restoring."""
        if self.prior is None:
            return self.score(maps)
        nll = self._nll(maps)
        return Scores(
            upsample(nll, self.form.size), unlikely(nll, self.thresholds[0]), self.concepts(maps)
        )

    @torch.no_grad()
    def image_scores(self, maps: list[Tensor]) -> Float[Tensor, " b"]:
        """The image scores that `score` gives, without restoring: there is no map to pay for."""
        return self.score_in_graph(maps).image

    @torch.no_grad()
    def paper_scores(self, maps: list[Tensor]) -> PaperScores:
        """The same."""
        return PaperScores.same_as(self.score(maps))

    @torch.no_grad()
    def restorations(self, maps: list[Tensor]) -> Restorations:
        """The restored maps, on the scale of those that came in."""
        found = self._restorations(self._standard(maps), self._where(maps))
        pictures = self.scale.back(found.pictures, maps[self.form.level])
        return Restorations(found.nll, pictures, found.weights)

    def _restorations(
        self, x: Float[Tensor, "b c h w"], where: Float[Tensor, " b"] | None
    ) -> Restorations:
        """Of standardised maps."""
        codes = self._vqvae.encode(x, where)
        nll = self._code_nll(codes, where)
        restored = restore(
            self._prior,
            codes,
            threshold=float(self.thresholds[1]),
            chance=self.chance,
            position=where,
        )
        each = [
            self._vqvae.decode(some, None if where is None else where[i].expand(len(self.chance)))
            for i, some in enumerate(restored)
        ]
        pictures = torch.stack(each)
        weights = restoration_weights(x, pictures, sharpness=self.form.sharpness)
        return Restorations(nll, pictures, weights)

    def _picture(
        self, x: Float[Tensor, "b c h w"], raw: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"] | None:
        """RGB in [0, 1]; None of what is no picture but a map of features."""
        if x.shape[1] != 3 or x.shape[2:] != self.form.size:
            return None
        return self.scale.back(x, raw).clamp(0, 1)

    def _nll(self, maps: list[Tensor]) -> Float[Tensor, "b i j"]:
        """Of each code of maps as they come in."""
        where = self._where(maps)
        return self._code_nll(self._vqvae.encode(self._standard(maps), where), where)

    def _code_nll(
        self, codes: Int[Tensor, "b i j"], where: Float[Tensor, " b"] | None
    ) -> Float[Tensor, "b i j"]:
        """Of each code, given those before it."""
        return code_nll(self._prior(codes, where).permute(0, 2, 3, 1), codes)

    def _where(self, maps: list[Tensor]) -> Float[Tensor, " b"] | None:
        """Where in its volume each slice lies; None of pictures that are no slices."""
        return maps[-1][:, 0, 0, 0].float() if self.form.located else None

    def _standard(self, maps: list[Tensor]) -> Float[Tensor, "b c h w"]:
        """The map on the scale on which it is learned."""
        return self.scale(maps[self.form.level])

    @property
    def _vqvae(self) -> VQVAE:
        assert isinstance(self.autoencoder, VQVAE), "a Gaussian latent has no codes"
        return self.autoencoder

    @property
    def _prior(self) -> AbstractPrior:
        assert self.prior is not None, "without codes there is no prior"
        return self.prior
