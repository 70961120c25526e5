"""Concepts: the products that good pictures show, found without labels."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.quantize.nearest import kmeans
from normalis.quantize.selection import RESTARTS, find_clusters, standardised

__all__ = ["FixedEncoder", "concept_codes", "find_concepts", "global_averages"]


class FixedEncoder(nn.Module):
    """Standardised averages on their principal axes, set once from the training pictures.

    It reads all maps and not the deepest alone: what tells two products apart may be their texture.

    Args:
        channels: Channels of every map of the pyramid.
        width: Dimension of the descriptor; axes beyond the data's are zero.
    """

    mean: Tensor
    axes: Tensor

    def __init__(self, channels: tuple[int, ...], width: int) -> None:
        super().__init__()
        total = sum(channels)
        self.channels = channels
        self.register_buffer("mean", torch.zeros(total))
        self.register_buffer("axes", torch.eye(total, width))

    @torch.no_grad()
    def set_from(self, averages: Float[Tensor, "n c"]) -> None:
        """Take mean, scale and axes of these global averages."""
        weight = _weights(self.channels).to(averages)
        x = standardised(averages, weight)
        _, _, vectors = torch.linalg.svd(x, full_matrices=False)
        kept = min(len(vectors), self.axes.shape[1])
        scale = averages.std(0, correction=0).clamp_min(1e-6) / weight
        self.mean.copy_(averages.mean(0))
        self.axes.zero_()
        self.axes[:, :kept] = vectors[:kept].T / scale[:, None]

    def forward(self, averages: Float[Tensor, "b c"]) -> Float[Tensor, "b d"]:
        """Descriptors of global averages."""
        return (averages - self.mean) @ self.axes


def global_averages(maps: list[Tensor]) -> Float[Tensor, "b c"]:
    """Each map's mean over its positions, side by side."""
    return torch.cat([x.float().mean((2, 3)) for x in maps], dim=1)


def find_concepts(
    averages: Float[Tensor, "n c"], channels: tuple[int, ...], *, most: int, seed: int
) -> Int[Tensor, " n"]:
    """The clear cluster that each picture belongs to, at most `most`, counted from 0."""
    weight = _weights(channels).to(averages)
    generator = torch.Generator().manual_seed(seed)
    return find_clusters(averages, weight, most=most, generator=generator)


def concept_codes(
    y: Float[Tensor, "n d"],
    label: Int[Tensor, " n"] | None,
    *,
    size: int,
    generator: torch.Generator,
) -> Float[Tensor, "k d"]:
    """A code for each concept: the mean of its descriptors, or `size` centres of k-means.

    Args:
        y: Descriptors of the training pictures.
        label: Their concepts, each with a picture at least; None to take clusters.
        size: Number of concepts.
        generator: Source of every random choice.
    """
    if label is None:
        return kmeans(y.float(), size, generator=generator, restarts=RESTARTS)
    return torch.stack([y[label == k].mean(0) for k in range(size)])


def _weights(channels: tuple[int, ...]) -> Float[Tensor, " c"]:
    """A map counts as one, however many channels it has."""
    return torch.cat([torch.full((c,), c**-0.5) for c in channels])
