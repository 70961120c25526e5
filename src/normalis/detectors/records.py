"""What passes between a detector and those who train it and ask it."""

import math
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = [
    "Assignment",
    "Batch",
    "GraphMap",
    "Losses",
    "PaperScores",
    "ParameterGroup",
    "Scores",
    "Term",
    "top_mean",
]

_PIECE = 64  # of a row of a map, at most


@dataclass(frozen=True)
class Batch:
    """The pictures of a training step.

    Attributes:
        maps: A feature pyramid's, one `b c h w` tensor per map.
        label: `b`, the class of each picture, counted from 0; None unless the settings ask for
            classes.
        done: Share of the training that lies behind, in [0, 1].
    """

    maps: list[Tensor]
    label: Int[Tensor, " b"] | None = None
    done: float = 1.0


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that are learned in one way.

    Attributes:
        parameters: Those of the group.
        rate: Its learning rate, in shares of the training's.
        decay: Whether weight decay draws them to zero.
    """

    parameters: tuple[nn.Parameter, ...]
    rate: float = 1.0
    decay: bool = True


@dataclass(frozen=True)
class Term:
    """A named part of what is minimised, for the log."""

    name: str
    value: Float[Tensor, ""]


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
        total: What is minimised.
        nll: Negative log-likelihood, by which held-out pictures judge an epoch; nats per dimension,
            or per picture in the published form of VQ-Flow.
        terms: The others, for the log.
        assignments: For the update of the codebooks after the step.
    """

    total: Float[Tensor, ""]
    nll: Float[Tensor, ""]
    terms: tuple[Term, ...] = ()
    assignments: tuple[Assignment, ...] = ()


@dataclass(frozen=True)
class Scores:
    """What a detector says of a batch of pictures; higher is more anomalous.

    Attributes:
        maps: `b h w`, float32, on the grid of the prepared picture.
        image: `b`, float32, one number for each picture.
        concept: `b`, the index of the concept that the picture shows; 0 where there is only one.
        probability: `b`, in [0, 1], how sure that is; None where the method does not say.
        restored: `b 3 h w`, RGB in [0, 1], what the prepared picture would be without what is
            unusual in it; None where the method does not say.
    """

    maps: Float[Tensor, "b h w"]
    image: Float[Tensor, " b"]
    concept: Int[Tensor, " b"]
    probability: Float[Tensor, " b"] | None = None
    restored: Float[Tensor, "b 3 i j"] | None = None


@dataclass(frozen=True)
class PaperScores:
    """The published scores, each relative to the picture's own maximum (METHODS §1.7).

    Attributes:
        additive: `b h w`, for pixel AUROC.
        multiplicative: `b h w`, for the per-region overlap.
        image: `b`, mean of the highest share of the multiplicative map.
    """

    additive: Float[Tensor, "b h w"]
    multiplicative: Float[Tensor, "b h w"]
    image: Float[Tensor, " b"]

    @classmethod
    def same_as(cls, scores: Scores) -> "PaperScores":
        """Of a method whose published scores are absolute, as the honest ones are."""
        return cls(scores.maps, scores.maps, scores.image)


@dataclass(frozen=True)
class GraphMap:
    """A map that an exported model has in the place of the model's own.

    Attributes:
        meaning: What its values say, a clause.
        low: A usual value.
        high: Places above it are marked.
    """

    meaning: str
    low: float
    high: float


def top_mean(maps: Float[Tensor, "b h w"], share: float) -> Float[Tensor, " b"]:
    """Mean of the highest `share` of each map's values, at least one."""
    h, w = maps.shape[1:]
    count = max(1, round(share * h * w))
    # The highest values lie in as many pieces of rows, those of the highest maxima, which are
    # found in a fraction of the time.
    pieces = maps.reshape(maps.shape[0], -1, math.gcd(w, _PIECE))
    if count < pieces.shape[1]:
        chosen = pieces.amax(2).topk(count, dim=1, sorted=False).indices
        pieces = pieces.gather(1, chosen[:, :, None].expand(-1, -1, pieces.shape[2]))
    return pieces.flatten(1).topk(count, dim=1).values.mean(1)
