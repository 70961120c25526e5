"""The pyramid without a network: its one map is the picture."""

import hashlib
from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor

from normalis.backbones.pyramid import AbstractPyramid
from normalis.backbones.settings import PIXELS

__all__ = ["PixelPyramid"]


@final
class PixelPyramid(AbstractPyramid):
    """For methods that learn from the picture itself, not from a trained network's features."""

    def __init__(self) -> None:
        super().__init__()
        self.name = PIXELS
        self.channels = (3,)
        self.strides = (1,)
        self.fingerprint = hashlib.sha256(PIXELS.encode()).hexdigest()
        self.register_buffer("anchor", torch.zeros(()), persistent=False)
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where pictures must lie."""
        return cast("Tensor", self.anchor).device

    def extract(self, pixels: Float[Tensor, "b 3 height width"]) -> list[Float[Tensor, "b _ _ _"]]:
        """The picture, RGB in [0, 1]."""
        return [pixels]

    def check_size(self, height: int, width: int) -> None:
        """Every size is allowed."""
