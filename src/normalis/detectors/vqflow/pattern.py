"""The pattern branch: what usually lies at this place of such a picture?"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.detectors.records import Assignment
from normalis.nn.layers import pointwise_mlp
from normalis.nn.position import position_encoding
from normalis.quantize.ema import EMAQuantizer
from normalis.quantize.nearest import nearest_codes

__all__ = ["Pattern", "PatternBranch"]


@dataclass(frozen=True)
class Pattern:
    """The condition of one level.

    Attributes:
        condition: `b k h w`: the quantised pattern, then the prototype.
        commitment: Commitment loss.
        assignment: For the codebook's update.
    """

    condition: Float[Tensor, "b k h w"]
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

    References:
        VQ-Flow (METHODS §1.3).
    """

    def __init__(
        self, channels: int, quantizer: EMAQuantizer, *, name: str, position_width: int
    ) -> None:
        super().__init__()
        self.name = name
        self.mlp = pointwise_mlp(channels, quantizer.dim, quantizer.dim)
        self.codebook = quantizer
        self.position_width = position_width

    def forward(
        self,
        features: Float[Tensor, "b c h w"],
        prototype: Float[Tensor, "b p"],
        *,
        semantic: Float[Tensor, "b d h w"] | None = None,
    ) -> Pattern:
        """Quantise each position around its anchor."""
        anchor, rows = self.residual(features, prototype, semantic=semantic)
        quantized = self.codebook.quantize(rows)
        b, _, h, w = features.shape
        values = anchor + quantized.values.view(b, h, w, -1).permute(0, 3, 1, 2)
        broadcast = prototype[:, :, None, None].expand(-1, -1, h, w)
        return Pattern(
            condition=torch.cat([values, broadcast], dim=1),
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
        _, rows = self.residual(features, prototype, semantic=semantic)
        b, _, h, w = features.shape
        return nearest_codes(rows.float(), self.codebook.codes).view(b, h, w)

    def residual(
        self,
        features: Float[Tensor, "b c h w"],
        prototype: Float[Tensor, "b p"],
        *,
        semantic: Float[Tensor, "b d h w"] | None = None,
    ) -> tuple[Float[Tensor, "b d h w"], Float[Tensor, "n d"]]:
        """The anchor, and what is left of $h'$ for the codebook, one row a position."""
        h: Tensor = self.mlp(features)
        anchor = self._anchor(features, prototype)
        rest = (h if semantic is None else h + semantic) - anchor
        return anchor, rest.permute(0, 2, 3, 1).flatten(0, 2)

    def _anchor(
        self, features: Float[Tensor, "b c h w"], prototype: Float[Tensor, "b p"]
    ) -> Float[Tensor, "b d h w"]:
        r"""$p = [PE; \hat y]$ at every position."""
        b, _, h, w = features.shape
        place = position_encoding(self.position_width, (h, w), device=features.device)
        return torch.cat(
            [place.expand(b, -1, -1, -1), prototype[:, :, None, None].expand(-1, -1, h, w)], dim=1
        )
