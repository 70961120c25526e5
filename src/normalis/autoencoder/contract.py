"""What every autoencoder gives: a picture again, and what its latent costs."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from normalis.quantize.ema import Quantized

__all__ = ["AbstractAutoencoder", "Reconstruction"]


@dataclass(frozen=True)
class Reconstruction:
    """A batch of pictures after their way through the latent.

    Attributes:
        pictures: `b c h w`, as the pictures that went in.
        distortion: How far they are from those, as the training minimises it.
        rate: What the latent costs: commitment of the codes, or the divergence from the prior.
        latents: `n d`, what was quantised, detached; None where nothing is.
        quantized: What the quantiser made of it.
    """

    pictures: Float[Tensor, "b c h w"]
    distortion: Float[Tensor, ""]
    rate: Float[Tensor, ""]
    latents: Float[Tensor, "n d"] | None = None
    quantized: Quantized | None = None


class AbstractAutoencoder(nn.Module, ABC):
    """Pictures through a narrow place and back."""

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "b c h w"], position: Float[Tensor, " b"] | None = None
    ) -> Reconstruction:
        """Pictures of a side that the encoder's steps divide, and what they come back as.

        Args:
            x: Pictures, or feature maps.
            position: $t$ in [-1/2, 1/2], where in its volume each slice lies; None without volumes.
        """
