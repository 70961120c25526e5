"""The pattern branch: what usually lies at this place of such a picture?"""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.detectors.records import Assignment
from normalis.flows.context import PartedContext
from normalis.nn.layers import PointwiseMLP
from normalis.nn.position import position_encoding
from normalis.quantize.ema import EMAQuantizer
from normalis.quantize.nearest import nearest_codes, straight_through

__all__ = ["Pattern", "PatternBranch"]


@dataclass(frozen=True)
class Pattern:
    """The condition of one level.

    Attributes:
        condition: The quantised pattern at every position, then the prototype.
        commitment: Commitment loss.
        assignment: For the codebook's update.
    """

    condition: PartedContext
    commitment: Float[Tensor, ""]
    assignment: Assignment


class PatternBranch(nn.Module):
    r"""A concept-specific pattern codebook (CSPC): a residual quantiser around the prototype.

    With the anchor $p = [PE; \hat y]$ of every position, the features $h'$ become
    $p + quantize(h' - p)$: the pattern codes are shared by all concepts, and the prototype that is
    taken away before and given back after makes them speak of one.

    Args:
        channels: Channels of the level's map.
        quantizer: The codebook; its dimension is `position_width` plus the prototype's.
        name: Of the codebook, for the log.
        position_width: Channels of the position encoding, divisible by 4.
        grid: Rows and columns of the map.

    References:
        VQ-Flow (METHODS §1.3).
    """

    place: Tensor

    def __init__(
        self,
        channels: int,
        quantizer: EMAQuantizer,
        *,
        name: str,
        position_width: int,
        grid: tuple[int, int],
    ) -> None:
        super().__init__()
        self.name = name
        self.mlp = PointwiseMLP(channels, quantizer.dim, quantizer.dim)
        self.codebook = quantizer
        self.position_width = position_width
        place = position_encoding(position_width, grid).permute(1, 2, 0)
        beside = quantizer.dim - position_width
        self.register_buffer("place", F.pad(place, (0, beside)), persistent=False)

    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        prototype: Float[Tensor, "b p"],
        *,
        semantic: Float[Tensor, "b d h w"] | None = None,
    ) -> Pattern:
        """Quantise each position around its anchor."""
        h, anchor = self._parts(features, prototype, semantic)
        rows = (h - anchor).flatten(0, 2)
        quantized = self.codebook.quantize(rows)
        # The anchor is taken away and given back, so that it gets no gradient from the sum.
        values = anchor.detach() + quantized.values.detach().view(h.shape)
        values = straight_through(h, values.to(h.dtype))
        return Pattern(
            condition=PartedContext(values.permute(0, 3, 1, 2), prototype),
            commitment=quantized.commitment,
            assignment=Assignment(self.name, rows.detach(), quantized.codes, quantized.usage),
        )

    def codes(
        self,
        features: Float[Tensor, "b c h w"],
        prototype: Float[Tensor, "b p"],
        *,
        semantic: Float[Tensor, "b d h w"] | None = None,
    ) -> Int[Tensor, "b h w"]:
        """The code of each position, as `forward` chooses it."""
        rows = self.residual(features, prototype, semantic=semantic)
        b, _, h, w = features.shape
        return nearest_codes(rows.float(), self.codebook.codes).view(b, h, w)

    def residual(
        self,
        features: Float[Tensor, "b c h w"],
        prototype: Float[Tensor, "b p"],
        *,
        semantic: Float[Tensor, "b d h w"] | None = None,
    ) -> Float[Tensor, "n d"]:
        """What is left of $h'$ for the codebook, one row a position."""
        h, anchor = self._parts(features, prototype, semantic)
        return (h - anchor).flatten(0, 2)

    def _parts(
        self,
        features: Float[Tensor, "b c h w"],
        prototype: Float[Tensor, "b p"],
        semantic: Float[Tensor, "b d h w"] | None,
    ) -> tuple[Float[Tensor, "b h w d"], Float[Tensor, "b h w d"]]:
        r"""$h'$, and $p = [PE; \hat y]$ at every position."""
        h: Tensor = self.mlp(features)
        h = h if semantic is None else h + semantic
        anchor = self.place + F.pad(prototype, (self.position_width, 0))[:, None, None]
        return h.permute(0, 2, 3, 1), anchor
