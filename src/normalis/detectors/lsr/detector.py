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
from normalis.detectors.lsr.grain import Grain
from normalis.detectors.lsr.maps import CODE_MAP, anomaly_map, unlikely
from normalis.detectors.lsr.restoring import nll_of, restorations_of
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
from normalis.prior.contract import AbstractPrior
from normalis.quantize.ema import EMAQuantizer

__all__ = ["LSR"]

AUTOENCODER, PRIOR = "autoencoder", "prior"
SEEDING_BATCHES = 8  # batches from which the codes start
USUAL_PICTURES = 64  # held-out pictures of which it is learned what maps usually show


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
        grain: What joins this map with that of the grain; None leaves it as it is.

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
        grain: Grain | None = None,
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.prior = prior
        self.form = form
        self.stage = AUTOENCODER
        self.scale = scale
        self.grain = grain
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
        self.scale.learn(self._raw(maps) for maps in batches())
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
        """Thresholds from the codes of held-out normal pictures, units from their maps."""
        if self.prior is None:
            return
        nll: list[Tensor] = []
        some: list[list[Tensor]] = []
        for maps in batches:
            nll.append(self._nll(maps).flatten())
            if self.grain is not None and len(some) * len(maps[0]) < USUAL_PICTURES:
                some.append(maps)
        if self.form.sample_share is not None:
            shares = nll[0].new_tensor([self.form.sample_share, self.form.place_share])
            self.thresholds.copy_(torch.cat(nll).quantile(1 - shares))
        if self.grain is not None:
            self.grain.learn([(self._restored(maps)[1], self._grain(maps)) for maps in some])

    @torch.no_grad()
    def concepts(self, maps: list[Tensor]) -> Int[Tensor, " b"]:
        """One concept: what is healthy."""
        return torch.zeros(maps[0].shape[0], dtype=torch.long, device=maps[0].device)

    @torch.no_grad()
    def score(self, maps: list[Tensor]) -> Scores:
        """What restoration, or reconstruction, changes; and the likelihood of unlikely codes."""
        if self.prior is None:
            x = self._standard(maps)
            restored = self.autoencoder(x, self._where(maps)).pictures
            difference = (x - restored).abs().mean(1)
            image = difference.mean((1, 2))
            values = anomaly_map(difference / self._contrast(maps), None, form=self.form)
        else:
            found, values = self._restored(maps)
            restored, image = found.mean, unlikely(found.nll, self.thresholds[0])
            if self.grain is not None:
                values = self.grain(values, self._grain(maps))
        picture = self.scale.picture(restored, self._raw(maps), size=self.form.size)
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
        found, _ = self._restored(maps)
        pictures = self.scale.back(found.pictures, self._raw(maps))
        return Restorations(found.nll, pictures, found.weights)

    def _restored(self, maps: list[Tensor]) -> tuple[Restorations, Float[Tensor, "b h w"]]:
        """Restorations on the scale on which they are learned, and the map that they make."""
        x = self._standard(maps)
        found = restorations_of(
            x,
            self._where(maps),
            vqvae=self._vqvae,
            prior=self._prior,
            threshold=float(self.thresholds[1]),
            chance=self.chance,
            sharpness=self.form.sharpness,
        )
        difference = found.difference(x, of_mean=self.form.of_mean) / self._contrast(maps)
        nll = found.nll if self.form.weighed else None
        return found, anomaly_map(difference, nll, form=self.form)

    def _grain(self, maps: list[Tensor]) -> Float[Tensor, "b h w"]:
        """Of the pictures, where their grain counts."""
        assert self.grain is not None, "asked of those that have it alone"
        return self.grain.measure(maps[self.form.level], self._raw(maps), scale=self.scale)

    def _nll(self, maps: list[Tensor]) -> Float[Tensor, "b i j"]:
        """Of each code of maps as they come in."""
        where = self._where(maps)
        codes = self._vqvae.encode(self._standard(maps), where)
        return nll_of(self._prior, codes, where=where)

    def _contrast(self, maps: list[Tensor]) -> Float[Tensor, "b 1 1"]:
        """The unit of the differences of each picture."""
        return self.scale.contrast(self._raw(maps))

    def _where(self, maps: list[Tensor]) -> Float[Tensor, " b"] | None:
        """Where in its volume each slice lies; None of pictures that are no slices."""
        return maps[-1][:, 0, 0, 0].float() if self.form.located else None

    def _standard(self, maps: list[Tensor]) -> Float[Tensor, "b c h w"]:
        """What is restored, on the scale on which it is learned."""
        return self.scale(self._raw(maps))

    def _raw(self, maps: list[Tensor]) -> Float[Tensor, "b c h w"]:
        """What is restored, as it comes in: a map of the pyramid, or means over its squares."""
        return F.avg_pool2d(maps[self.form.level].float(), self.form.shrink)

    @property
    def _vqvae(self) -> VQVAE:
        assert isinstance(self.autoencoder, VQVAE), "a Gaussian latent has no codes"
        return self.autoencoder

    @property
    def _prior(self) -> AbstractPrior:
        assert self.prior is not None, "without codes there is no prior"
        return self.prior
