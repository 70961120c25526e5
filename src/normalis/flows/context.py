"""A context that can take few values, and the table of what a convolution makes of them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.nn.position import position_encoding

__all__ = ["CodedContext", "Codes", "Context", "ContextRows", "PartedContext"]


@dataclass(frozen=True)
class PartedContext:
    """A context of which a part is the same all over a picture.

    Attributes:
        maps: `b k h w`, channels first.
        picture: `b p`, the channels behind them.
    """

    maps: Float[Tensor, "b k h w"]
    picture: Float[Tensor, "b p"]

    def dense(self) -> Float[Tensor, "b c h w"]:
        """Both, spelled out at every position."""
        size = self.maps.shape[2:]
        same = self.picture[:, :, None, None].expand(-1, -1, *size)
        return torch.cat([self.maps.to(same.dtype), same], dim=1)


Context = Float[Tensor, "b k _ _"] | PartedContext | None
"""What a step of a flow is told: spelled out on its grid, or once for all positions; in parts; or
nothing."""


@dataclass(frozen=True)
class CodedContext:
    """A context that is named, not spelled out.

    Attributes:
        codes: `b h w`, the pattern code of each position.
        concept: `b`, the concept of each picture.
    """

    codes: Int[Tensor, "b h w"]
    concept: Int[Tensor, " b"]


@dataclass(frozen=True)
class Codes:
    r"""All values that a context can take on a grid: $[PE + r_{1..}; \hat y + r_{..d}; \hat y]$.

    Attributes:
        patterns: `n d`, the pattern codes $r$, those channels of the position first.
        prototypes: `m p`, the prototypes $\hat y$, with $p < d$.
        grid: Rows and columns.
    """

    patterns: Float[Tensor, "n d"]
    prototypes: Float[Tensor, "m p"]
    grid: tuple[int, int]


class ContextRows(nn.Module):
    """Which rows of a table make up the context's share at each position.

    The rows are: for each tap every code and a zero for what lies outside of the map; every place;
    every concept at every shape of the border.

    Args:
        codes: What the context can be.
        kernel: Side of the convolution.
    """

    border: Tensor
    places: Tensor

    def __init__(self, codes: Codes, kernel: int) -> None:
        super().__init__()
        h, w = codes.grid
        self.codes = codes
        self.kernel = kernel
        self.outside = len(codes.patterns)
        self.shapes_of_border = [_inside(side, kernel).unique(dim=0) for side in (h, w)]
        device = codes.patterns.device
        rows, columns = (
            _inside(side, kernel).unique(dim=0, return_inverse=True)[1] for side in (h, w)
        )
        self.borders = len(self.shapes_of_border[0]) * len(self.shapes_of_border[1])
        border = rows[:, None] * len(self.shapes_of_border[1]) + columns
        first = kernel * kernel * (self.outside + 1)
        self.register_buffer("places", (first + torch.arange(h * w).view(h, w)).to(device))
        self.register_buffer("border", (first + h * w + border).to(device))

    def forward(self, context: CodedContext) -> list[Int[Tensor, "_ _ _"]]:
        """The rows of every position, `b h w` each, but for sides that are all alike, which are 1.

        The rows of the taps come first, then the place's, then the concept's.
        """
        _, h, w = context.codes.shape
        side = self.kernel // 2
        padded = F.pad(context.codes, [side] * 4, value=self.outside)
        taps = [
            padded[:, u : u + h, v : v + w] + (u * self.kernel + v) * (self.outside + 1)
            for u in range(self.kernel)
            for v in range(self.kernel)
        ]
        border = self.border if self.borders > 1 else self.border[:1, :1]
        concept = border + (self.borders * context.concept)[:, None, None]
        return [*taps, self.places[None], concept]

    @torch.no_grad()
    def table(
        self, weight: Float[Tensor, "o k s s"], bias: Float[Tensor, " o"]
    ) -> Float[Tensor, "r o"]:
        """The table of a convolution over the context alone; its bias lies with the places."""
        codes = self.codes
        d, p = codes.patterns.shape[1], codes.prototypes.shape[1]
        kernel = weight.detach().double()
        patterns = torch.einsum("nd,odst->stno", codes.patterns.double(), kernel[:, :d])
        patterns = F.pad(patterns, (0, 0, 0, 1)).flatten(0, 2)
        place = position_encoding(d - p, codes.grid, device=weight.device).double()[None]
        places = F.conv2d(
            place, kernel[:, : d - p], bias.detach().double(), padding=self.kernel // 2
        )
        twice = kernel[:, d - p : d] + kernel[:, d:]
        rows, columns = (shape.to(kernel) for shape in self.shapes_of_border)
        concepts = torch.einsum(
            "mp,opst,as,bt->mabo", codes.prototypes.double(), twice, rows, columns
        )
        parts = [patterns, places[0].flatten(1).mT, concepts.flatten(0, 2)]
        return torch.cat(parts).to(weight.dtype)


def _inside(side: int, kernel: int) -> Int[Tensor, "n k"]:
    """For each position along a side, which taps of the kernel lie within the map: 1 or 0."""
    at = torch.arange(side)[:, None] + torch.arange(kernel) - kernel // 2
    return ((at >= 0) & (at < side)).long()
