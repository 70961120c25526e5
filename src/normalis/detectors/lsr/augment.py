"""Pictures as another patient in another pose would give them, for training alone."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["augmented"]

TURN, SCALE, SHIFT = math.radians(10), 0.10, 0.04  # at most; shares of the side
BEND, BENDS = 0.03, 4  # spread of the elastic displacement, and places a side where it is drawn


def augmented(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Each picture mirrored or not, turned, scaled, shifted and bent a little, by torch's chance.

    What comes in from outside continues the border.

    References:
        The augmentation of LSR (METHODS §3.4).
    """
    count = len(x)
    angle = TURN * _even(count)
    zoom = 1 + SCALE * _even(count)
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    cosine, sine = angle.cos() / zoom, angle.sin() / zoom
    rows = [cosine * mirror, -sine, SHIFT * 2 * _even(count)]
    rows += [sine * mirror, cosine, SHIFT * 2 * _even(count)]
    pose = torch.stack(rows, 1).view(count, 2, 3).to(x.device)
    bends = 2 * BEND * torch.randn(count, 2, BENDS, BENDS).to(x.device)
    bend = F.interpolate(bends, x.shape[2:], mode="bicubic", align_corners=True)
    places = F.affine_grid(pose, list(x.shape), align_corners=False) + bend.permute(0, 2, 3, 1)
    return F.grid_sample(x.float(), places, padding_mode="border", align_corners=False)


def _even(count: int) -> Float[Tensor, " b"]:
    """Evenly in [-1, 1]."""
    return 2 * torch.rand(count) - 1
