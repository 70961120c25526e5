"""Which clusters are there, and how many?"""

from itertools import combinations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from normalis.quantize.nearest import code_counts, kmeans, nearest_codes

__all__ = ["RESTARTS", "clearness", "find_clusters", "silhouette", "standardised"]

RESTARTS = 4  # k-means runs, of which the tightest counts
CELLS = 32  # small clusters that a search begins with
LEAST = 8  # rows of a cluster: what can be learned from
ROWS = 100  # of each of two clusters that are compared

# From here on a silhouette speaks of a reasonable structure (Kaufman and Rousseeuw, 1990); and here
# half of the way from one median to the other is empty.
CLEAR = 0.5
TAIL = 0.05  # of a cluster's rows that may stray into the empty part


def find_clusters(
    x: Float[Tensor, "n d"],
    weight: Float[Tensor, " d"],
    *,
    most: int,
    generator: torch.Generator,
) -> Int[Tensor, " n"]:
    """The cluster of each row, counted from 0, as many as are clear.

    Whether two clusters are clear depends on nothing but their own rows, standardised by
    themselves: others that are far away do not hide them. Many small k-means cells are put together
    until every two of what remains are clear, and then each is searched in turn.

    Args:
        x: The rows; fewer than twice `LEAST` are one cluster.
        weight: What every column counts after it is standardised.
        most: The highest number of clusters; what is least clear is put together beyond it.
        generator: Source of every random choice.
    """
    order = torch.randperm(len(x), generator=generator).to(x.device)
    x = x[order]
    found = _divided(x, weight, torch.arange(len(x), device=x.device), generator)
    index = torch.zeros(len(x), dtype=torch.long, device=x.device)
    for number, rows in enumerate(_joined(x, weight, found, most=most)):
        index[order[rows]] = number
    return index


def standardised(x: Float[Tensor, "n d"], weight: Float[Tensor, " d"]) -> Float[Tensor, "n d"]:
    """Columns of mean 0 and spread 1, times their weights."""
    return (x - x.mean(0)) / x.std(0, correction=0).clamp_min(1e-6) * weight


def clearness(x: Float[Tensor, "n d"], second: Int[Tensor, " n"]) -> float:
    """How clearly two clusters, 0 and 1, are two: the least of their silhouette and their gap.

    The gap is the empty share of the way between their medians, along the line through their means.
    Other than the silhouette it sees that a long cloud which was cut in two is none.
    """
    return min(silhouette(x, second), _gap(x[second == 0], x[second == 1]))


def silhouette(x: Float[Tensor, "n d"], index: Int[Tensor, " n"]) -> float:
    """Silhouette: 1 for tight clusters far apart, 0 for none; a cluster of one row has 0.

    It is the mean over clusters of each one's mean over its rows, so that a large one does not
    outvote a small one.

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
    return float((value.where(own > 1, 0.0) @ one_hot / counts).mean())


def _gap(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
    """The share of the way between the medians that is empty but for `TAIL` of either side."""
    line = y.mean(0) - x.mean(0)
    one, other = x @ line, y @ line
    way = (other.median() - one.median()).clamp_min(1e-12)
    return float((other.quantile(TAIL) - one.quantile(1 - TAIL)) / way)


def _divided(
    x: Float[Tensor, "n d"],
    weight: Float[Tensor, " d"],
    rows: Int[Tensor, " r"],
    generator: torch.Generator,
) -> list[Tensor]:
    """The clear clusters among these rows, each searched in turn."""
    cells = _cells(standardised(x[rows], weight), generator)
    found = _joined(x, weight, [rows[cell] for cell in cells], most=len(cells))
    if len(found) == 1:
        return found
    return [part for own in found for part in _divided(x, weight, own, generator)]


def _cells(x: Float[Tensor, "n d"], generator: torch.Generator) -> list[Tensor]:
    """The rows of each small cluster, at least `LEAST`, or all of them."""
    size = max(1, min(CELLS, len(x) // LEAST))
    centres = kmeans(x, size, generator=generator, restarts=RESTARTS)
    while True:
        index = nearest_codes(x, centres)
        counts = code_counts(index, len(centres))
        if len(centres) == 1 or counts.min() >= LEAST:
            return [(index == k).nonzero()[:, 0] for k in range(len(centres))]
        centres = centres[torch.arange(len(centres), device=x.device) != counts.argmin()]


def _joined(
    x: Float[Tensor, "n d"], weight: Float[Tensor, " d"], groups: list[Tensor], *, most: int
) -> list[Tensor]:
    """These groups of rows, the least clear two put together until all are clear, and `most`."""

    def clear(i: int, j: int) -> float:
        # Rows are in random order, so the first are a sample.
        one, other = kept[i][:ROWS], kept[j][:ROWS]
        second = (torch.arange(len(one) + len(other), device=x.device) >= len(one)).long()
        return clearness(standardised(x[torch.cat([one, other])], weight), second)

    kept = dict(enumerate(groups))
    table = {pair: clear(*pair) for pair in combinations(kept, 2)}
    enough = CLEAR
    while table:
        pair = min(table, key=table.__getitem__)
        if table[pair] >= enough:
            if len(kept) <= most:
                break
            enough = -torch.inf  # from here on the number alone counts
        new = max(kept) + 1
        kept[new] = torch.cat([kept.pop(k) for k in pair]).sort().values
        table = {two: value for two, value in table.items() if kept.keys() >= set(two)}
        table |= {(k, new): clear(k, new) for k in kept if k != new}
    return list(kept.values())
