"""VQ-Flow: normalizing flows conditioned on what a picture shows and what usually lies where."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from normalis.detectors.contract import Losses
from normalis.detectors.vqflow.condition import AbstractConditioner, Condition, VQConditioner
from normalis.flows.fusion import FusionCoupling
from normalis.flows.transform import AbstractTransform
from normalis.mixtures.concept_gaussian import ConceptGaussian

__all__ = ["VQFlow"]


class VQFlow(nn.Module):
    """One model of good pictures of many products.

    Args:
        levels: Which maps of the pyramid get a flow.
        conditioner: Tells the flows what they are conditioned on.
        flows: One flow per level.
        priors: One concept prior per level; empty for a standard normal.
        fusion: The cross-scale coupling, or None.
        per_dimension: The loss is in nats per dimension; otherwise in nats per picture (paper).

    References:
        VQ-Flow (METHODS §1).
    """

    def __init__(
        self,
        *,
        levels: tuple[int, ...],
        conditioner: AbstractConditioner,
        flows: list[AbstractTransform],
        priors: list[ConceptGaussian],
        fusion: FusionCoupling | None,
        per_dimension: bool,
    ) -> None:
        super().__init__()
        self.levels = levels
        self.conditioner = conditioner
        self.flows = nn.ModuleList(flows)
        self.priors = nn.ModuleList(priors)
        self.fusion = fusion
        self.per_dimension = per_dimension

    def latents(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor], Condition]:
        """Latents and log-determinants of each level, and the condition they were given."""
        xs = [maps[i] for i in self.levels]
        condition = self.conditioner(xs, maps[-1])
        zs, log_dets = [], []
        for flow, x, context in zip(self.flows, xs, condition.levels, strict=True):
            z, log_det = flow(x, context)
            zs.append(z)
            log_dets.append(log_det)
        for i, prior in enumerate(self.priors):
            zs[i], log_det = prior(zs[i], condition.prototype)
            log_dets[i] = log_dets[i] + log_det
        if self.fusion is not None:
            zs, fused = self.fusion(zs, condition.fusion)
            log_dets = [a + b for a, b in zip(log_dets, fused, strict=True)]
        return zs, log_dets, condition

    def loss(self, maps: list[Tensor]) -> Losses:
        """Mean negative log-likelihood, up to a constant, and the commitments (METHODS §1.6)."""
        zs, log_dets, condition = self.latents(maps)
        energy = sum((z.square().sum((1, 2, 3)) / 2 for z in zs), start=zs[0].new_zeros(()))
        volume = sum((j.sum((1, 2)) for j in log_dets), start=zs[0].new_zeros(()))
        dimensions = sum(z[0].numel() for z in zs) if self.per_dimension else 1
        return Losses(
            flow=(energy - volume).mean() / dimensions,
            commitment=condition.commitment,
            assignments=condition.assignments,
        )

    @torch.no_grad()
    def update_codebooks(self, losses: Losses, generator: torch.Generator) -> None:
        """Move the codes after a training step; nothing to do without quantisers."""
        if isinstance(self.conditioner, VQConditioner):
            self.conditioner.update(losses.assignments, generator)

