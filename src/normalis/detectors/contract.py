"""What every detector offers: a loss to train on, and a score that is a function of one image."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Assignment", "Losses", "Scores", "top_mean"]


@dataclass(frozen=True)
class Assignment:
    """What one quantiser was given in one step, and the codes it chose.

    Attributes:
        name: Of the codebook, for the log.
        inputs: `n d`, detached.
        codes: `n`.
        usage: `k`, how often each code was chosen.
    """

    name: str
    inputs: Float[Tensor, "n d"]
    codes: Int[Tensor, " n"]
    usage: Float[Tensor, " k"]


@dataclass(frozen=True)
class Losses:
    """The terms of a training step.

    Attributes:
        flow: Negative log-likelihood; nats per dimension, or per picture in the published form.
        commitment: Sum of the commitment terms of all codebooks.
        assignments: For the update of the codebooks after the step.
    """

    flow: Float[Tensor, ""]
    commitment: Float[Tensor, ""]
    assignments: tuple[Assignment, ...]

    @property
    def total(self) -> Float[Tensor, ""]:
        """What is minimised."""
        return self.flow + self.commitment


@dataclass(frozen=True)
class Scores:
    """What a detector says of a batch of pictures; higher is more anomalous.

    Attributes:
        maps: `b h w`, float32, on the grid of the prepared picture.
        image: `b`, float32, one number for each picture.
        concept: `b`, the index of the concept that the picture shows; 0 where there is only one.
    """

    maps: Float[Tensor, "b h w"]
    image: Float[Tensor, " b"]
    concept: Int[Tensor, " b"]


def top_mean(maps: Float[Tensor, "b h w"], share: float) -> Float[Tensor, " b"]:
    """Mean of the highest `share` of each map's values, at least one."""
    flat = maps.flatten(1)
    count = max(1, round(share * flat.shape[1]))
    return torch.topk(flat, count, dim=1).values.mean(1)
