"""Which clusters are there, and how many?"""

from collections.abc import Callable, Iterator
from itertools import chain

import torch
from jaxtyping import Float, Int
from torch import Tensor

from normalis.quantize.nearest import code_counts, kmeans, nearest_codes

__all__ = ["RESTARTS", "clearness", "find_clusters", "silhouettes", "standardised"]

RESTARTS = 4  # k-means runs, of which the tightest counts
CELLS = 256  # the most small clusters that a search begins with: more than there are clear ones
LEAST = 8  # rows of a cluster: what can be learned from
NEAR = 8  # other clusters that each is compared with, where there are more
ROWS = 100  # of each of two clusters that are compared
SAMPLE = 2000  # rows of the silhouette of all clusters

# From here on a silhouette speaks of a reasonable structure (Kaufman and Rousseeuw, 1990); and here
# half of the way from one median to the other is empty.
CLEAR = 0.5
TAIL = 0.05  # of a cluster's rows that may stray into the empty part

Pair = tuple[int, int]  # numbers of two groups
Judge = Callable[[Tensor, Tensor], float]  # of the rows of two groups: how clearly they are two


def find_clusters(
    x: Float[Tensor, "n d"],
    weight: Float[Tensor, " d"],
    *,
    most: int,
    generator: torch.Generator,
) -> Int[Tensor, " n"]:
    """The cluster of each row, counted from 0, as many as are clear.

    Many small k-means cells are put together until every two of what remains are clear, and each of
    these is searched in turn, standardised by itself, so that what is far away hides nothing. In
    the end those are put together that are not clear when looked at alone: the shades of a thing.

    Args:
        x: The rows; fewer than twice `LEAST` are one cluster.
        weight: What every column counts after it is standardised.
        most: The highest number of clusters; beyond it the nearest two are put together.
        generator: Source of every random choice.
    """
    order = torch.randperm(len(x), generator=generator).to(x.device)
    x = x[order]
    found = _divided(x, torch.arange(len(x), device=x.device), weight=weight, generator=generator)
    found = _fewer(standardised(x, weight), _alone(x, found, weight=weight), most=most)
    index = _index(found, len(x))
    return index[order.argsort()]


def standardised(x: Float[Tensor, "n d"], weight: Float[Tensor, " d"]) -> Float[Tensor, "n d"]:
    """Columns of mean 0 and spread 1, times their weights."""
    return (x - x.mean(0)) / x.std(0, correction=0).clamp_min(1e-6) * weight


def clearness(x: Float[Tensor, "n d"], second: Int[Tensor, " n"]) -> float:
    """How clearly two clusters, 0 and 1, are two: the least of their silhouette and their gap.

    Either cluster's silhouette counts the same, however large it is. The gap is the empty share of
    the way between their medians, along the line through their means. Other than the silhouette it
    sees that a long cloud which was cut in two is none.
    """
    value = silhouettes(x, second)
    both = (value[second == 0].mean() + value[second == 1].mean()) / 2
    return min(float(both), _gap(x[second == 0], x[second == 1]))


def silhouettes(x: Float[Tensor, "n d"], index: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Of each row: 1 in tight clusters far apart, 0 in none and in a cluster of its own.

    References:
        Rousseeuw, *Silhouettes*, Journal of Computational and Applied Mathematics 20, 1987.
    """
    _, index = index.unique(return_inverse=True)
    one_hot = torch.nn.functional.one_hot(index).to(x.dtype)
    counts = one_hot.sum(0)
    if len(counts) < 2:
        return x.new_zeros(len(x))
    totals = torch.cdist(x, x) @ one_hot
    own = counts[index]
    within = totals.gather(1, index[:, None])[:, 0] / (own - 1).clamp_min(1)
    others = (totals / counts).masked_fill(one_hot.bool(), torch.inf).min(1).values
    value = (others - within) / torch.maximum(within, others).clamp_min(1e-12)
    return value.where(own > 1, 0.0)


def _gap(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> float:
    """The share of the way between the medians that is empty but for `TAIL` of either side."""
    line = y.mean(0) - x.mean(0)
    one, other = x @ line, y @ line
    way = (other.median() - one.median()).clamp_min(1e-12)
    return float((other.quantile(TAIL) - one.quantile(1 - TAIL)) / way)


def _divided(
    x: Float[Tensor, "n d"],
    rows: Int[Tensor, " r"],
    *,
    weight: Float[Tensor, " d"],
    generator: torch.Generator,
) -> list[Tensor]:
    """The clear clusters among these rows, each searched in turn."""
    y = standardised(x[rows], weight)

    def clear(one: Tensor, other: Tensor) -> float:
        return clearness(*_two(y, one, other))

    *_, found = _joined(y, _cells(y, generator), clear, averaged=True)
    if len(found) == 1:
        return [rows]
    parts = [_divided(x, rows[own], weight=weight, generator=generator) for own in found]
    return list(chain.from_iterable(parts))


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
    x: Float[Tensor, "n d"], groups: list[Tensor], clear: Judge, *, averaged: bool = False
) -> Iterator[list[Tensor]]:
    """These groups of rows, and again each time that the least clear two are put together.

    It ends when all neighbours are clear.

    Args:
        x: All rows, in the space in which neighbours are near.
        groups: To begin with.
        clear: The judge of two groups.
        averaged: Two that were put together are from others at least as clear as the two were on
            average, so that one wrong step does not lead to the next.
    """
    kept, known = dict(enumerate(groups)), dict[Pair, float]()
    joined: dict[int, Pair] = {}
    centres = {k: x[rows].mean(0) for k, rows in kept.items()}
    yield groups
    while len(kept) > 1:
        pairs = _neighbours(centres)
        for i, j in pairs - known.keys():
            known[i, j] = clear(kept[i], kept[j])
            parts = [
                known[two] for k in joined.get(j, ()) if (two := (min(i, k), max(i, k))) in known
            ]
            if averaged and parts:
                known[i, j] = max(known[i, j], sum(parts) / len(parts))
        pair = min(pairs, key=known.__getitem__)
        if known[pair] >= CLEAR:
            return
        new = max(kept) + 1
        joined[new] = pair
        kept[new] = _both([kept.pop(k) for k in pair])
        centres = {k: centres[k] if k in centres else x[rows].mean(0) for k, rows in kept.items()}
        yield list(kept.values())


def _alone(
    x: Float[Tensor, "n d"], groups: list[Tensor], *, weight: Float[Tensor, " d"]
) -> list[Tensor]:
    """These groups, with those as one that are not clear by themselves: the shades of a thing.

    Each step of that can make the next unclear, and in the end all would be one where there are
    many things. So that step is kept at which all clusters together are clearest.
    """
    y = standardised(x, weight)

    def gap(one: Tensor, other: Tensor) -> float:
        rows, second = _two(x, one, other)
        z = standardised(rows, weight)
        return _gap(z[second == 0], z[second == 1])

    def clear(one: Tensor, other: Tensor) -> float:
        rows, second = _two(x, one, other)
        return clearness(standardised(rows, weight), second)

    def clearest(found: list[Tensor]) -> float:
        return float(silhouettes(y[:SAMPLE], _index(found, len(y))[:SAMPLE]).mean())

    *_, groups = _joined(y, groups, gap)  # what nothing parts is one in any case
    steps = list(_joined(y, groups, clear))
    best = max(steps, key=clearest)
    # One has no silhouette to compare: of two that are not clear the last step made one.
    return steps[-1] if len(best) == 2 else best


def _fewer(x: Float[Tensor, "n d"], groups: list[Tensor], *, most: int) -> list[Tensor]:
    """At most `most` groups, the nearest two put together beyond."""
    while len(groups) > most:
        centres = torch.stack([x[rows].mean(0) for rows in groups])
        distance = torch.cdist(centres, centres).fill_diagonal_(torch.inf)
        pair = divmod(int(distance.argmin()), len(groups))
        others = [rows for k, rows in enumerate(groups) if k not in pair]
        groups = [*others, _both([groups[k] for k in pair])]
    return groups


def _two(x: Float[Tensor, "n d"], one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Some rows of two groups, and which are of the second; the first rows are a sample."""
    one, other = one[:ROWS], other[:ROWS]
    second = torch.arange(len(one) + len(other), device=x.device) >= len(one)
    return x[torch.cat([one, other])], second.long()


def _index(groups: list[Tensor], size: int) -> Int[Tensor, " n"]:
    """The group of each row."""
    index = torch.empty(size, dtype=torch.long, device=groups[0].device)
    for number, rows in enumerate(groups):
        index[rows] = number
    return index


def _both(groups: list[Tensor]) -> Tensor:
    """Groups of rows as one, in the rows' own random order."""
    return torch.cat(groups).sort().values


def _neighbours(centres: dict[int, Tensor]) -> set[Pair]:
    """Every pair of which one is among the `NEAR` nearest of the other, the lower number first."""
    names, points = list(centres), torch.stack(list(centres.values()))
    distance = torch.cdist(points, points).fill_diagonal_(torch.inf)
    nearest = distance.topk(min(NEAR, len(names) - 1), largest=False).indices.tolist()
    return {
        (min(one, names[k]), max(one, names[k]))
        for one, row in zip(names, nearest, strict=True)
        for k in row
    }
