"""Nearest codes, seeding and small measures of a codebook's use."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = [
    "code_counts",
    "first_least",
    "kmeans",
    "nearest_codes",
    "nearest_distances",
    "nearest_with_distances",
    "perplexity",
    "straight_through",
]

CHUNK = 1 << 9  # rows of the distance table held at a time: small enough for the nearest cache


def nearest_codes(x: Float[Tensor, "n d"], codes: Float[Tensor, "k d"]) -> Int[Tensor, " n"]:
    """Index of the code nearest to each row, by squared Euclidean distance; ties take the first."""
    # Mixed precision would round the distances to three digits.
    with torch.autocast(x.device.type, enabled=False):
        return torch.cat([first_least(table) for table in _tables(x, codes)])


def nearest_distances(x: Float[Tensor, "n d"], codes: Float[Tensor, "k d"]) -> Float[Tensor, " n"]:
    """Squared Euclidean distance of each row to the nearest code, 0 or more."""
    least = torch.cat([table.amin(1) for table in _tables(x, codes)])
    return (x.square().sum(1) + 2 * least).clamp_min(0)


def nearest_with_distances(
    x: Float[Tensor, "n d"], codes: Float[Tensor, "k d"]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Index of the code nearest to each row, and the squared Euclidean distance to it."""
    # The least before its index, for which the table is overwritten.
    found = [(table.amin(1), first_least(table)) for table in _tables(x, codes)]
    least, index = (torch.cat(column) for column in zip(*found, strict=True))
    return index, (x.square().sum(1) + 2 * least).clamp_min(0)


def straight_through(x: Float[Tensor, "*s"], value: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """`value`, with the gradient of `x`: of a step that has none, in place of its own."""
    return _StraightThrough.apply(x, value)


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor) -> Tensor:  # noqa: ANN401, ARG004
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401, ARG004
        return grads[0], None


def _tables(x: Float[Tensor, "n d"], codes: Float[Tensor, "k d"]) -> Iterator[Float[Tensor, "_ k"]]:
    """Half of the squared distances less what is the same for all codes, some rows at a time.

    A table is overwritten by the next.
    """
    x, codes = x.detach(), codes.detach()
    half_norms = 0.5 * codes.square().sum(1)
    if torch.compiler.is_exporting():  # for batches of any size it cannot be said how many chunks
        yield torch.addmm(half_norms, x, codes.T, alpha=-1)
        return
    table = x.new_empty(min(CHUNK, len(x)), len(codes))
    for rows in x.split(CHUNK):  # into the same memory, which is not to be fetched anew
        yield torch.addmm(half_norms, rows, codes.T, alpha=-1, out=table[: len(rows)])


def first_least(table: Float[Tensor, "*n k"]) -> Int[Tensor, "*n"]:
    """Index of each row's least value, the first of several; the table may be overwritten."""
    if torch.compiler.is_exporting():
        # Whole numbers, which stay exact where a runtime computes in bfloat16. An argmin takes
        # OpenVINO six times as long.
        index = torch.arange(table.shape[-1], dtype=torch.int32, device=table.device)
        is_least = table <= table.amin(-1, keepdim=True)
        return torch.where(is_least, index, index[-1]).amin(-1).long()
    if table.device.type != "cpu":
        return table.argmin(-1)
    # Here an argmin takes several times as long as this. Compared into numbers: to turn truths
    # into numbers takes as long as all the rest.
    is_least = table.le_(table.amin(-1, keepdim=True))
    before_end = torch.arange(table.shape[-1], 0, -1, dtype=table.dtype, device=table.device)
    first = is_least.mul_(before_end).amax(-1).clamp_min(1)  # of what is no number, the last
    return (table.shape[-1] - first).long()


def code_counts(index: Int[Tensor, " n"], size: int) -> Float[Tensor, " k"]:
    """How many rows took each of `size` codes."""
    # Not `bincount`, whose length depends on the data: no graph could hold it.
    ones = torch.ones_like(index, dtype=torch.float32)
    return ones.new_zeros(size).index_add_(0, index, ones)


def perplexity(counts: Float[Tensor, " k"]) -> Float[Tensor, ""]:
    """Exponential of the entropy of the codes' use: as many codes used evenly would equal it."""
    share = counts / counts.sum().clamp_min(1)
    return torch.special.entr(share).sum().exp()


def kmeans(
    x: Float[Tensor, "n d"],
    size: int,
    *,
    generator: torch.Generator,
    steps: int = 20,
    restarts: int = 1,
) -> Float[Tensor, "k d"]:
    """Centres by k-means++ seeding and Lloyd's steps.

    Args:
        x: The points; fewer distinct points than `size` give repeated centres.
        size: Number of centres.
        generator: Source of every random choice.
        steps: Lloyd's steps after seeding.
        restarts: Runs, of which the tightest is taken.
    """
    runs = [_lloyd(x, _seed(x, size, generator), steps) for _ in range(restarts)]
    return min(runs, key=lambda codes: float((x - codes[nearest_codes(x, codes)]).square().sum()))


def _lloyd(x: Float[Tensor, "n d"], centres: Float[Tensor, "k d"], steps: int) -> Tensor:
    """Move every centre to the mean of the points nearest to it, until nothing moves."""
    for _ in range(steps):
        index = nearest_codes(x, centres)
        counts = code_counts(index, len(centres))
        sums = torch.zeros_like(centres).index_add_(0, index, x)
        moved = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres


def _seed(x: Float[Tensor, "n d"], size: int, generator: torch.Generator) -> Float[Tensor, "k d"]:
    """k-means++: each new centre is a point drawn by its squared distance to the centres so far."""
    first = int(torch.randint(len(x), (1,), generator=generator))
    centres = [x[first]]
    distance = (x - x[first]).square().sum(1)
    for _ in range(size - 1):
        weights = distance if float(distance.sum()) > 0 else torch.ones_like(distance)
        pick = int(torch.multinomial(weights.cpu(), 1, generator=generator))
        centres.append(x[pick])
        distance = torch.minimum(distance, (x - x[pick]).square().sum(1))
    return torch.stack(centres)
