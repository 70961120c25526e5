"""The contract of a feature pyramid: pictures in, a list of maps out."""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["AbstractPyramid"]


class AbstractPyramid(nn.Module, ABC):
    """A frozen network that turns pictures into feature maps.

    It never trains, holds no gradient and has no randomness. The maps of a picture do not depend
    on the pictures beside it in the batch, beyond the rounding of float32 (the backend may choose
    another order of summation for another batch size): relative differences stay near 1e-6.

    Attributes:
        name: the architecture, as timm calls it.
        channels: channels of each map.
        strides: pixels of the picture for one position of each map, along either side.
        fingerprint: sha256 (hex) over every weight and every setting that changes the features;
            two pyramids with one fingerprint give the same maps.
    """

    name: str
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    fingerprint: str

    @final
    def forward(self, pixels: Float[Tensor, "b 3 height width"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Return one map per level, the finest first.

        Args:
            pixels: RGB pictures, NCHW float32 in [0, 1]; the pyramid scales them itself.

        Returns:
            Contiguous float32 maps, NCHW, on the pyramid's device.

        Raises:
            SettingsError: the network cannot take pictures of this size.
        """
        self.check_size(pixels.shape[-2], pixels.shape[-1])
        with torch.no_grad():
            return [level.contiguous() for level in self.extract(pixels)]

    @abstractmethod
    def extract(self, pixels: Float[Tensor, "b 3 height width"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Compute the maps of pictures whose size is allowed; ``forward`` calls this."""

    @abstractmethod
    def check_size(self, height: int, width: int) -> None:
        """Raise SettingsError, naming the nearest allowed size, if pictures cannot be this big."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where pictures must lie."""

    @final
    def shapes(self, height: int, width: int) -> tuple[tuple[int, int, int], ...]:
        """Return (channels, rows, columns) of each map for pictures of height x width pixels.

        Raises:
            SettingsError: the network cannot take pictures of this size.
        """
        levels: list[Tensor] = self(torch.zeros(1, 3, height, width, device=self.device))
        return tuple((level.shape[1], level.shape[2], level.shape[3]) for level in levels)

    @final
    def train(self, mode: bool = True) -> "AbstractPyramid":  # noqa: FBT001, FBT002
        """Stay in evaluation mode: a pyramid is frozen, whatever its owner does."""
        return super().train(mode=False)
