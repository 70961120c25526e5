"""A causal transformer over the raster, with a cache of keys and values."""

from math import prod
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from normalis.prior.contract import AbstractPrior, AbstractReader

__all__ = ["CausalTransformer"]

# Places that pass through the network together when rows are read: more per row where rows are few.
TOKENS, MOST_AHEAD = 256, 16


class CausalTransformer(AbstractPrior):
    """The fast prior: a place further costs one token where a convolution costs the whole grid.

    The token of a place is the codes before it and above it, to the left and right of that (a
    learned code stands for what lies outside), its row, its column and the slice's position. What
    attention would have to learn to look for, the nearest codes, is there from the first step on.

    Args:
        size: Number of codes.
        grid: Rows and columns.
        width: Channels of a token.
        depth: Number of blocks.
        heads: Attention heads; they divide the width.
        dropout: On the residual branches.
        located: Whether slices have a position.

    References:
        [fix] of METHODS §3.2; the block of GPT-2, normalisation first.
    """

    def __init__(
        self,
        size: int,
        grid: tuple[int, int],
        *,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        dropout: float = 0.1,
        located: bool = False,
    ) -> None:
        super().__init__()
        self.size, self.grid = size, grid
        # How far back in the raster the neighbours lie that are known.
        self.back = tuple(sorted({1, grid[1] - 1, grid[1], grid[1] + 1} - {0}))
        self.codes = nn.ModuleList(nn.Embedding(size + 1, width) for _ in self.back)
        self.row = nn.Embedding(grid[0], width)
        self.column = nn.Embedding(grid[1], width)
        self.slice = nn.Linear(1, width) if located else None
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, size)
        for table in (*self._tables(), self.row, self.column):
            nn.init.normal_(table.weight, std=0.02)

    def forward(
        self, codes: Int[Tensor, "b i j"], position: Float[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b k i j"]:
        """Logits of every place, all at once."""
        return self.read_all(codes, position)[0].mT.unflatten(2, self.grid)

    def reader(
        self,
        codes: Int[Tensor, "b i j"],
        position: Float[Tensor, " b"] | None = None,
        *,
        copies: int,
    ) -> "_CachedReader":
        """Reads with a cache."""
        return _CachedReader(self, codes, position, copies)

    def read_all(
        self, codes: Int[Tensor, "b i j"], position: Float[Tensor, " b"] | None
    ) -> tuple[Float[Tensor, "b n k"], list[tuple[Tensor, Tensor]]]:
        """Logits of every place, and each block's keys and values `b heads n d`."""
        flat = codes.flatten(1)
        places = torch.arange(flat.shape[1], device=flat.device).expand_as(flat)
        x = self.embed(flat, places, position=position)
        cache: list[tuple[Tensor, Tensor]] = []
        for block in self.each_block():
            query, key, value = block.project(x)
            mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
            x = block.finish(x, mixed)
            cache.append((key, value))
        return self.head(self.norm(x)), cache

    def embed(
        self,
        codes: Int[Tensor, "b n"],
        places: Int[Tensor, "b w"],
        *,
        position: Float[Tensor, " b"] | None,
    ) -> Float[Tensor, "b w d"]:
        """Tokens of places, from the codes near each that lie before it."""
        assert (self.slice is None) == (position is None), "a prior of slices needs positions"
        columns = self.grid[1]
        x = self.row(places // columns) + self.column(places % columns)
        for back, table in zip(self.back, self._tables(), strict=True):
            near = codes.gather(1, (places - back).clamp_min(0))
            x = x + table(torch.where(places < back, self.size, near))
        if self.slice is not None and position is not None:
            x = x + self.slice(position[:, None])[:, None]
        return self.dropout(x)

    def _tables(self) -> list[nn.Embedding]:
        return cast("list[nn.Embedding]", list(self.codes))

    def each_block(self) -> list["_Block"]:
        """The blocks, from the input on."""
        return cast("list[_Block]", list(self.blocks))


class _Block(nn.Module):
    """Attention and a network of two layers, each on a residual branch."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.inputs = nn.Linear(width, 3 * width)
        self.outputs = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def project(self, x: Float[Tensor, "b w d"]) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of each token, `b heads w d`."""
        parts = self.inputs(self.norm(x)).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        return query, key, value

    def finish(
        self, x: Float[Tensor, "b w d"], mixed: Float[Tensor, "b heads w e"]
    ) -> Float[Tensor, "b w d"]:
        """The block's output from its input and what the attention mixed."""
        x = x + self.dropout(self.outputs(mixed.transpose(1, 2).flatten(2)))
        return x + self.mlp(x)


class _CachedReader(AbstractReader):
    """Keys and values of every row at every place, overwritten where a row is read again.

    A row reads its places in order, so what lies behind the places asked for is stale or void: the
    mask hides it.
    """

    def __init__(
        self,
        prior: CausalTransformer,
        codes: Int[Tensor, "b i j"],
        position: Float[Tensor, " b"] | None,
        copies: int,
    ) -> None:
        self.prior = prior
        self.length = prod(prior.grid)
        self.logits, cache = prior.read_all(codes, position)
        # Places behind the end take what is asked for there.
        self.cache = [
            tuple(F.pad(x, (0, 0, 0, MOST_AHEAD)).repeat_interleave(copies, 0) for x in pair)
            for pair in cache
        ]
        self.position = None if position is None else position.repeat_interleave(copies)

    @property
    def first(self) -> Float[Tensor, "b n k"]:
        """Logits of every place of the pictures as they were at the start."""
        return self.logits

    def span(self, rows: int) -> int:
        """As many as keep the network busy."""
        return max(1, min(MOST_AHEAD, TOKENS // rows))

    def ask(
        self, codes: Int[Tensor, "r n"], start: Int[Tensor, " r"], *, width: int
    ) -> Float[Tensor, "r w k"]:
        """Logits of the places, for one token a place."""
        prior = self.prior
        slots = start[:, None] + torch.arange(width, device=codes.device)
        places = slots.clamp_max(self.length - 1)
        seen = int(slots.max()) + 1
        mask = torch.arange(seen, device=codes.device) <= slots[:, :, None]
        x = prior.embed(codes, places, position=self.position)
        for block, (keys, values) in zip(prior.each_block(), self.cache, strict=True):
            query, key, value = block.project(x)
            _put(keys, key, slots)
            _put(values, value, slots)
            x = block.finish(x, _attend(query, keys[:, :, :seen], values[:, :, :seen], mask))
        return prior.head(prior.norm(x))

    def keep(self, rows: Int[Tensor, " m"]) -> None:
        """Forget all but these rows."""
        self.cache = [tuple(x[rows] for x in pair) for pair in self.cache]
        self.position = None if self.position is None else self.position[rows]


def _put(cache: Tensor, new: Float[Tensor, "r heads w d"], slots: Int[Tensor, "r w"]) -> None:
    """Write each row's tokens at its own places."""
    index = slots[:, None, :, None].expand(-1, new.shape[1], -1, new.shape[3])
    cache.scatter_(2, index, new)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Bool[Tensor, "r w l"]) -> Tensor:
    """Attention of each token to the places up to its own."""
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None])
