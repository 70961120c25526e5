"""The latent density of HGAD: a mixture of classes, each a mixture of centres."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.mixtures.concept_gaussian import standard_normal_log_prob

__all__ = ["HierarchicalMixture", "HierarchicalTerms"]

SPREAD = 5.0  # about how far apart main centres start
SMOOTHING = 0.02  # share of a label that all classes have alike
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class HierarchicalTerms:
    r"""The terms of the objective (METHODS §2.3), means over all positions of the batch.

    Attributes:
        inter: $L_g$, the negative log-likelihood under the mixture of classes, nats per dimension
            and without the constant $\frac12 \ln 2\pi$.
        information: $L_{mi}$, the mutual information of latents and classes, nats; it is
            maximised.
        intra: $L_{in}$, the negative log-likelihood under the mixture of the picture's class,
            counted as `inter` is.
        likelihood: $L_z$, what a logistic loss makes of the log-likelihood under that mixture.
        entropy: $L_e$, the entropy of the classes given the latents, nats in `[0, ln Y]`.
    """

    inter: Float[Tensor, ""]
    information: Float[Tensor, ""]
    intra: Float[Tensor, ""]
    likelihood: Float[Tensor, ""]
    entropy: Float[Tensor, ""]


class HierarchicalMixture(nn.Module):
    r"""Every class has a main centre, and around it centres of its own; covariances are $I$.

    Class $y$ has the main centre $\mu_y$ and the prior $\pi = softmax(\varphi)$. Its own centres
    are $m_{y,0} = sg[\mu_y]$ and $m_{y,i} = sg[\mu_y] + \Delta_{y,i}$, with weights
    $\rho_y = softmax(\psi_y)$. So the flow learns from all terms of the objective, $\mu$ from
    $L_g$, $L_{mi}$ and $L_e$, $\varphi$ from $L_g$, and $\Delta$ and $\psi$ from $L_{in}$ and
    $L_z$. Log-densities are those of the latent; add the flow's log-determinant for the picture's.

    Args:
        classes: $Y$.
        channels: $D$, channels of the latent.
        centres: $M$, centres in a class, the main one among them.

    References:
        HGAD: Yao et al., ECCV 2024 (METHODS §2.2 to §2.4).
    """

    def __init__(self, classes: int, channels: int, *, centres: int = 10) -> None:
        super().__init__()
        self.main = nn.Parameter(_spread_centres(classes, channels))
        self.deltas = nn.Parameter(torch.randn(classes, centres - 1, channels))
        self.class_logits = nn.Parameter(torch.zeros(classes))
        self.centre_logits = nn.Parameter(torch.zeros(classes, centres))

    def log_prob(self, z: Float[Tensor, "b d h w"]) -> Float[Tensor, "b h w"]:
        r"""$\log \sum_y \pi_y N(z; \mu_y, I)$ at each position, the mixture of classes; nats."""
        return _log_mixture(z, self.main, self.class_logits.log_softmax(0))

    def log_prob_of_class(
        self, z: Float[Tensor, "b d h w"], label: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h w"]:
        r"""$\log \sum_i \rho_{y,i} N(z; m_{y,i}, I)$ at each position, $y$ the picture's class."""
        weights = self.centre_logits.log_softmax(1)
        return _log_mixture(z, self._centres()[label], weights[label])

    def log_prob_all(self, z: Float[Tensor, "b d h w"]) -> Float[Tensor, "b h w"]:
        r"""$\log \sum_y \pi_y \sum_i \rho_{y,i} N(z; m_{y,i}, I)$ at each position.

        It needs no label: the score that METHODS §2.4 puts in place of the true class's.
        """
        priors = self.class_logits.log_softmax(0)
        weights = priors[:, None] + self.centre_logits.log_softmax(1)
        return _log_mixture(z, self._centres().flatten(0, 1), weights.flatten())

    def posterior(
        self, z: Float[Tensor, "b d h w"], *, with_priors: bool = False
    ) -> Float[Tensor, "b y h w"]:
        r"""Probability of each class by the main centres, $q_y(z) = -\frac12 \|z - \mu_y\|^2$.

        Args:
            z: Latents.
            with_priors: $softmax_y(q_y + \log \pi_y)$, or else $softmax_y(q_y)$, as in $L_e$.
        """
        tilts = _log_tilts(z, self.main)
        if with_priors:
            tilts = tilts + self.class_logits.log_softmax(0)[:, None, None]
        return tilts.softmax(1)

    def entropy(self, z: Float[Tensor, "b d h w"]) -> Float[Tensor, "b h w"]:
        r"""$H(softmax_y q_y)$ at each position; nats, from 0 (sure of a class) to $\ln Y$."""
        logs = _log_tilts(z, self.main).log_softmax(1)
        return -(logs.exp() * logs).sum(1)

    def terms(
        self,
        z: Float[Tensor, "b d h w"],
        log_det: Float[Tensor, "b h w"],
        *,
        label: Int[Tensor, " b"],
    ) -> HierarchicalTerms:
        """The terms of the objective, each learned from by what METHODS §2.3 names.

        Args:
            z: Latents of the flow.
            log_det: Log-determinant of the flow at each position.
            label: The class of each picture.
        """
        channels = z.shape[1]
        between = self.log_prob(z) + log_det
        within = self.log_prob_of_class(z, label) + log_det
        return HierarchicalTerms(
            inter=-between.mean() / channels - HALF_LOG_2PI,
            information=self._information(z, label),
            intra=-within.mean() / channels - HALF_LOG_2PI,
            likelihood=-F.logsigmoid(within / channels).mean(),
            entropy=self.entropy(z).mean(),
        )

    def _information(
        self, z: Float[Tensor, "b d h w"], label: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        """What the latents say of the smoothed label beyond the prior; the prior does not learn."""
        priors = self.class_logits.detach().log_softmax(0)[:, None, None]
        gains = (_log_tilts(z, self.main) + priors).log_softmax(1) - priors
        own = gains.take_along_dim(label[:, None, None, None], 1)
        return (1 - SMOOTHING) * own.mean() + SMOOTHING * gains.mean()

    def _centres(self) -> Float[Tensor, "y m d"]:
        """Every class's own centres; they do not move the main ones."""
        return self.main.detach()[:, None] + F.pad(self.deltas, (0, 0, 1, 0))


def _log_mixture(
    z: Float[Tensor, "b d h w"],
    centres: Float[Tensor, "*b k d"],
    log_weights: Float[Tensor, "*b k"],
) -> Float[Tensor, "b h w"]:
    """Log-density of a mixture of unit Gaussians, one for all pictures or one for each."""
    tilts = _log_tilts(z, centres) + log_weights[..., None, None]
    return standard_normal_log_prob(z.to(centres.dtype)) + tilts.logsumexp(1)


def _log_tilts(
    z: Float[Tensor, "b d h w"], centres: Float[Tensor, "*b k d"]
) -> Float[Tensor, "b k h w"]:
    r"""$\log N(z; m_k, I) - \log N(z; 0, I) = z \cdot m_k - \frac12 \|m_k\|^2$.

    The difference `z - m` is as large as all latents times all centres, and is never made.
    """
    # Under mixed precision the products would lose the digits that tell two centres apart.
    with torch.autocast(z.device.type, enabled=False):
        products = centres @ z.to(centres.dtype).flatten(2)
    half_norms = 0.5 * centres.square().sum(-1, keepdim=True)
    return (products - half_norms).unflatten(2, z.shape[2:])


def _spread_centres(classes: int, channels: int) -> Float[Tensor, "y d"]:
    r"""Main centres about 5 apart: 4 to 5, or so on average where classes outnumber channels.

    As many copies of $s I_Y$ side by side as the channels hold, $s = 5 / \sqrt{\lfloor 2D/Y
    \rfloor}$, or random directions.
    """
    copies = channels // classes
    if copies == 0:
        return SPREAD / math.sqrt(2) * F.normalize(torch.randn(classes, channels), dim=1)
    scale = SPREAD / math.sqrt(2 * channels // classes)
    blocks = scale * torch.eye(classes).repeat(1, copies)
    return F.pad(blocks, (0, channels - copies * classes))
