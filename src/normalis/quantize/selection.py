"""How many clusters are there?"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from normalis.quantize.nearest import kmeans, nearest_codes

__all__ = ["RESTARTS", "choose_centres", "silhouette"]

RESTARTS = 4  # k-means runs, of which the tightest counts

# Below this a clustering has no substantial structure (Kaufman and Rousseeuw, 1990).
SUBSTANTIAL = 0.25
ROWS = 2000  # of the distance table


def choose_centres(
    x: Float[Tensor, "n d"], most: int, *, generator: torch.Generator
) -> Float[Tensor, "k d"]:
    """k-means centres, as many as make the clearest clusters.

    The number with the highest silhouette from 2 to `most` is taken, or a single centre where no
    number makes substantial clusters.
    """
    sample = x[torch.randperm(len(x), generator=generator)[:ROWS].to(x.device)]
    best, chosen = SUBSTANTIAL, x.mean(0, keepdim=True)
    for size in range(2, min(most, len(sample) - 1) + 1):
        centres = kmeans(x, size, generator=generator, restarts=RESTARTS)
        quality = silhouette(sample, nearest_codes(sample, centres))
        if quality > best:
            best, chosen = quality, centres
    return chosen


def silhouette(x: Float[Tensor, "n d"], index: Int[Tensor, " n"]) -> float:
    """Mean silhouette: 1 for tight clusters far apart, 0 for none; a cluster of one counts 0.

    References:
        Rousseeuw, *Silhouettes*, Journal of Computational and Applied Mathematics 20, 1987.
    """
    _, index = index.unique(return_inverse=True)
    one_hot = torch.nn.functional.one_hot(index).to(x.dtype)
    counts = one_hot.sum(0)
    if len(counts) < 2:
        return 0.0
    totals = torch.cdist(x, x) @ one_hot
    own = counts[index]
    within = totals.gather(1, index[:, None])[:, 0] / (own - 1).clamp_min(1)
    others = (totals / counts).masked_fill(one_hot.bool(), torch.inf).min(1).values
    value = (others - within) / torch.maximum(within, others).clamp_min(1e-12)
    return float(value.where(own > 1, 0.0).mean())
