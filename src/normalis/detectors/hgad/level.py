"""One level of HGAD: a flow of single pixels, and the mixture that its latents follow."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.flows.coupling import AffineCoupling
from normalis.flows.placed import PlacedFlow
from normalis.flows.transform import AbstractTransform, Compose
from normalis.mixtures.hierarchical import HierarchicalMixture, HierarchicalTerms
from normalis.nn.position import position_encoding

__all__ = ["Latent", "MixtureLevel", "Places", "draw_places", "even_places"]

Places = Int[Tensor, "b n"] | Int[Tensor, " n"]


@dataclass(frozen=True)
class Latent:
    """What a level makes of a batch.

    Attributes:
        z: `b c h w`, or `b c n 1` of the places that were asked for.
        log_det: The log-determinant at each position.
    """

    z: Float[Tensor, "b c h w"]
    log_det: Float[Tensor, "b h w"]


class MixtureLevel(nn.Module):
    """Every pixel on its own: which class it speaks for, and how likely it is.

    Args:
        flow: Steps that look at single pixels; in its form for scoring they look their places up.
        mixture: The density of the latents.
        position_width: Channels of the position encoding that the flow is told; 0 for none.

    References:
        HGAD (METHODS §2.1 and §2.2).
    """

    def __init__(
        self,
        flow: AbstractTransform | PlacedFlow,
        mixture: HierarchicalMixture,
        *,
        position_width: int,
    ) -> None:
        super().__init__()
        self.flow = flow
        self.mixture = mixture
        self.position_width = position_width

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        log_det: Float[Tensor, "b h w"],
        *,
        places: Places | None = None,
    ) -> Latent:
        """The latents of whitened features.

        Args:
            x: Features after the closed-form first step.
            log_det: Of that step.
            places: Positions in row-major order, of each picture its own or of all the same; None
                for all.
        """
        told = places if isinstance(self.flow, PlacedFlow) else self._position(x, places)
        if places is not None:
            x, log_det = _at(x, places), _at(log_det[:, None], places)[:, 0]
        z, own = self.flow(x, told)
        return Latent(z, log_det + own)

    def placed(self, grid: tuple[int, int]) -> "MixtureLevel":
        """The form for scoring maps of a grid; it shares the mixture."""
        assert isinstance(self.flow, Compose)
        told = self.mixture.main.new_zeros(0, *grid)
        if self.position_width:
            told = position_encoding(self.position_width, grid, device=told.device)
        couplings = list(cast("Iterable[AffineCoupling]", self.flow.transforms))
        flow = PlacedFlow(couplings, told)
        return MixtureLevel(flow, self.mixture, position_width=self.position_width)

    def terms(self, latent: Latent, label: Int[Tensor, " b"]) -> HierarchicalTerms:
        """The terms of the objective; a mixture of one class counts every picture as that one."""
        return self.mixture.terms(latent.z, latent.log_det, label=self._row(label))

    def energy(self, latent: Latent) -> Float[Tensor, "b h w"]:
        r"""$-\frac1D \log \sum_y \pi_y p(x|y)$ at each position, over all classes; no label."""
        likelihood = self.mixture.log_prob_all(latent.z) + latent.log_det
        return -likelihood / latent.z.shape[1]

    def energy_of_class(self, latent: Latent, label: Int[Tensor, " b"]) -> Float[Tensor, "b h w"]:
        r"""$-\frac1D \log p(x|y)$ at each position, $y$ the picture's class."""
        likelihood = self.mixture.log_prob_of_class(latent.z, self._row(label)) + latent.log_det
        return -likelihood / latent.z.shape[1]

    def evidence(self, latent: Latent, label: Int[Tensor, " b"]) -> Float[Tensor, "b h w"]:
        r"""$\log \pi_y p(x|y)$ at each position, nats: what it says for a class."""
        row = self._row(label)
        prior = self.mixture.class_logits.log_softmax(0)[row, None, None]
        return prior + self.mixture.log_prob_of_class(latent.z, row) + latent.log_det

    def moved(
        self, x: Float[Tensor, "b c h w"], label: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c h w"]:
        """Features around zero, moved to the main centre of each picture's class."""
        return x + self.mixture.main.detach()[self._row(label)][:, :, None, None]

    def _row(self, label: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        """The class of the mixture that a picture's class is."""
        return label if len(self.mixture.main) > 1 else torch.zeros_like(label)

    def _position(
        self, x: Float[Tensor, "b c h w"], places: Places | None
    ) -> Float[Tensor, "b k _ _"] | None:
        """The position encoding at all places or some, the same for every picture."""
        if not self.position_width:
            return None
        b, _, h, w = x.shape
        encoding = position_encoding(self.position_width, (h, w), device=x.device)
        every = encoding.expand(b, -1, -1, -1)
        return every if places is None else _at(every, places)


def draw_places(
    pictures: int, grid: tuple[int, int], *, most: int, generator: torch.Generator
) -> Places | None:
    """`most` different positions of a grid for each picture; None where it has no more."""
    count = grid[0] * grid[1]
    if not 0 < most < count:
        return None
    return torch.rand(pictures, count, generator=generator).topk(most, dim=1).indices


def even_places(grid: tuple[int, int], *, most: int) -> Places | None:
    """Some `most` evenly spaced positions of a grid; None where it has no more.

    They are a lattice, and its steps whole numbers: so there are somewhat fewer, of a grid that is
    thinner than a step more.
    """
    step = math.ceil(math.sqrt(grid[0] * grid[1] / most))
    if step == 1:
        return None
    rows, columns = (torch.arange((side - 1) % step // 2, side, step) for side in grid)
    return (rows[:, None] * grid[1] + columns).flatten()


def _at(x: Float[Tensor, "b c h w"], places: Places) -> Float[Tensor, "b c n 1"]:
    """The features at these positions."""
    if places.ndim == 1:
        return x.flatten(2)[:, :, places.to(x.device), None]
    rows = x.flatten(2).mT
    kept = rows.take_along_dim(places.to(x.device)[:, :, None], 1)
    return kept[:, :, None].permute(0, 3, 1, 2)
