"""PixelSNAIL: causal convolutions and causal attention over the raster."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from normalis.prior.contract import AbstractPrior, AbstractReader

__all__ = ["PixelSNAIL"]

FINE = 16  # a grid of at least this side has the wide first kernel and attention of stride 2
KEY = 16  # channels of the attention's keys


class PixelSNAIL(AbstractPrior):
    """The published prior.

    Args:
        size: Number of codes.
        grid: Rows and columns.
        width: Channels everywhere.
        blocks: Blocks, each ending in attention.
        pairs: Vertical and horizontal residual pairs of a block.
        dropout: In the residuals.
        located: Whether slices have a position, a further input plane.

    References:
        LSR (METHODS §3.2); PixelSNAIL (Chen et al., arXiv 1712.09763).
    """

    def __init__(
        self,
        size: int,
        grid: tuple[int, int],
        *,
        width: int = 128,
        blocks: int = 4,
        pairs: int = 4,
        dropout: float = 0.1,
        located: bool = False,
    ) -> None:
        super().__init__()
        self.size, self.grid, self.located = size, grid, located
        is_fine = min(grid) >= FINE
        kernel = 7 if is_fine else 3
        self.first = _normed(_MaskedConv(size + located, width, kernel, sees_centre=False))
        self.blocks = nn.ModuleList(
            _Block(width, pairs, dropout, stride=2 if is_fine else 1) for _ in range(blocks)
        )
        self.head = nn.Sequential(nn.ELU(), _normed(nn.Conv2d(width, size, 1)))

    def forward(
        self, codes: Int[Tensor, "b i j"], position: Float[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b k i j"]:
        """Logits of every place, all at once."""
        assert self.located == (position is not None), "a prior of slices needs positions"
        x = F.one_hot(codes, self.size).permute(0, 3, 1, 2).float()
        if position is not None:
            x = torch.cat([x, position[:, None, None, None].expand(-1, 1, *self.grid)], 1)
        # Vertical and horizontal features both start from what lies strictly before.
        vertical = horizontal = self.first(x)
        for block in self.blocks:
            vertical, horizontal = block(vertical, horizontal)
        return self.head(horizontal)

    def reader(
        self,
        codes: Int[Tensor, "b i j"],
        position: Float[Tensor, " b"] | None = None,
        *,
        copies: int,
    ) -> "_WholeReader":
        """Reads by computing the whole grid, but then judges all of it at once."""
        return _WholeReader(self, codes, position, copies)


class _MaskedConv(nn.Conv2d):
    """A square convolution that sees the places before its centre, and the centre if wanted."""

    mask: Tensor

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, sees_centre: bool, stride: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, padding=kernel // 2)
        mask = torch.zeros(kernel * kernel)
        mask[: kernel * kernel // 2 + sees_centre] = 1
        self.register_buffer("mask", mask.view(kernel, kernel), persistent=False)

    def forward(self, input: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:  # noqa: A002
        return F.conv2d(input, self.weight * self.mask, self.bias, self.stride, self.padding)


class _CausalConv(nn.Module):
    """A convolution of two rows, the one above and the own.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        columns: 3: one to either side, too; 2: one to the left, too, none to the right.
    """

    def __init__(self, inputs: int, outputs: int, columns: int) -> None:
        super().__init__()
        self.padding = (1, columns - 2, 1, 0)
        self.conv = _normed(nn.Conv2d(inputs, outputs, (2, columns)))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        return self.conv(F.pad(x, self.padding))


class _Residual(nn.Module):
    """A gated residual; what another stack says joins between its two convolutions."""

    def __init__(self, width: int, columns: int, dropout: float, *, aided: bool = True) -> None:
        super().__init__()
        self.inner = _conv(width, width, columns)
        self.aid = _normed(nn.Conv2d(width, width, 1)) if aided else None
        self.dropout = nn.Dropout2d(dropout)
        self.outer = _conv(width, 2 * width, columns)

    def forward(
        self, x: Float[Tensor, "b c h w"], aid: Float[Tensor, "b c h w"] | None = None
    ) -> Float[Tensor, "b c h w"]:
        inner = self.inner(F.elu(x))
        if self.aid is not None and aid is not None:
            inner = inner + self.aid(F.elu(aid))
        return x + F.glu(self.outer(self.dropout(F.elu(inner))), 1)


class _Block(nn.Module):
    """Residual pairs, then attention to all that lies before."""

    def __init__(self, width: int, pairs: int, dropout: float, *, stride: int) -> None:
        super().__init__()
        self.vertical = nn.ModuleList(
            _Residual(width, 3, dropout, aided=False) for _ in range(pairs)
        )
        self.horizontal = nn.ModuleList(_Residual(width, 2, dropout) for _ in range(pairs))
        self.attention = _Attention(width, stride)
        self.join = _Residual(width, 1, dropout)

    def forward(
        self, vertical: Float[Tensor, "b c h w"], horizontal: Float[Tensor, "b c h w"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b c h w"]]:
        entered = horizontal
        for down, along in zip(self.vertical, self.horizontal, strict=True):
            vertical = down(vertical)
            # Shifted down by one row, since the row itself holds what comes later.
            horizontal = along(horizontal, F.pad(vertical[:, :, :-1], (0, 0, 1, 0)))
        seen = self.attention(entered, horizontal)
        return vertical, self.join(horizontal, seen)


class _Attention(nn.Module):
    """One head over the places strictly before, on a grid that is coarser by the stride."""

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.width, self.stride = width, stride
        self.memory = _normed(
            _MaskedConv(2 * width + 2, KEY + width, 5, sees_centre=True, stride=stride)
        )
        self.query = _normed(_MaskedConv(width + 2, KEY, 5, sees_centre=True, stride=stride))

    def forward(
        self, entered: Float[Tensor, "b c h w"], horizontal: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        planes = _coordinates(horizontal)
        memory = self.memory(torch.cat([entered, horizontal, planes], 1))
        query = self.query(torch.cat([horizontal, planes], 1)).flatten(2).mT
        key, value = memory.flatten(2).mT.split([KEY, self.width], 2)
        before = torch.ones(2 * (key.shape[1],), device=key.device).tril(-1).bool()
        # The first place has nothing before it, and gets zeros.
        weights = (query @ key.mT / KEY**0.5).masked_fill(~before, -1e9).softmax(2)
        mixed = ((weights * before) @ value).mT.unflatten(2, memory.shape[2:])
        rows, columns = horizontal.shape[2:]
        return F.interpolate(mixed, scale_factor=self.stride)[:, :, :rows, :columns]


class _WholeReader(AbstractReader):
    """A convolution has no short way to one place, so that every question costs the grid."""

    def __init__(
        self,
        prior: PixelSNAIL,
        codes: Int[Tensor, "b i j"],
        position: Float[Tensor, " b"] | None,
        copies: int,
    ) -> None:
        self.prior = prior
        self.logits = prior(codes, position).flatten(2).mT
        self.position = None if position is None else position.repeat_interleave(copies)

    @property
    def first(self) -> Float[Tensor, "b n k"]:
        """Logits of every place of the pictures as they were at the start."""
        return self.logits

    def span(self, rows: int) -> int:
        """All of them: they cost the same."""
        return self.logits.shape[1]

    def ask(
        self, codes: Int[Tensor, "r n"], start: Int[Tensor, " r"], *, width: int
    ) -> Float[Tensor, "r w k"]:
        """Logits of the places, out of the whole grid."""
        logits = self.prior(codes.unflatten(1, self.prior.grid), self.position).flatten(2).mT
        places = start[:, None] + torch.arange(width, device=start.device)
        places = places.clamp_max(logits.shape[1] - 1)
        return logits.gather(1, places[:, :, None].expand(-1, -1, logits.shape[2]))

    def keep(self, rows: Int[Tensor, " m"]) -> None:
        """Forget all but these rows."""
        self.position = None if self.position is None else self.position[rows]


def _conv(inputs: int, outputs: int, columns: int) -> nn.Module:
    """A causal convolution of this many columns, or one of a single place."""
    if columns == 1:
        return _normed(nn.Conv2d(inputs, outputs, 1))
    return _CausalConv(inputs, outputs, columns)


def _normed(conv: nn.Conv2d) -> nn.Module:
    """With weight normalisation."""
    return weight_norm(conv)


def _coordinates(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 2 h w"]:
    """Planes of the row and of the column, in [-1/2, 1/2]."""
    rows, columns = x.shape[2:]
    row = torch.linspace(-0.5, 0.5, rows, device=x.device)[:, None].expand(rows, columns)
    column = torch.linspace(-0.5, 0.5, columns, device=x.device).expand(rows, columns)
    return torch.stack([row, column]).to(x.dtype).expand(len(x), -1, -1, -1)
