"""Concepts: the products that good pictures show, found without labels."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.detectors.contract import ConceptSearch
from normalis.quantize.nearest import nearest_codes
from normalis.quantize.selection import choose_centres

__all__ = ["FixedEncoder", "find_concepts", "global_averages"]


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
        mean = averages.mean(0)
        # A map counts as one, however many channels it has.
        count = torch.cat([torch.full((c,), float(c)) for c in self.channels]).to(mean)
        scale = averages.std(0, correction=0).clamp_min(1e-6) * count.sqrt()
        _, _, vectors = torch.linalg.svd((averages - mean) / scale, full_matrices=False)
        kept = min(len(vectors), self.axes.shape[1])
        self.mean.copy_(mean)
        self.axes.zero_()
        self.axes[:, :kept] = vectors[:kept].T / scale[:, None]

    def forward(self, averages: Float[Tensor, "b c"]) -> Float[Tensor, "b d"]:
        """Descriptors of global averages."""
        return (averages - self.mean) @ self.axes


def global_averages(maps: list[Tensor]) -> Float[Tensor, "b c"]:
    """Each map's mean over its positions, side by side."""
    return torch.cat([x.float().mean((2, 3)) for x in maps], dim=1)


def find_concepts(
    averages: Float[Tensor, "n c"],
    channels: tuple[int, ...],
    *,
    search: ConceptSearch,
    seed: int,
) -> Int[Tensor, " n"]:
    """The clear cluster that each picture belongs to, at most `search.most`, counted from 0."""
    encoder = FixedEncoder(channels, search.width)
    encoder.set_from(averages)
    y = encoder(averages)
    centres = choose_centres(y, search.most, generator=torch.Generator().manual_seed(seed))
    return nearest_codes(y, centres)
