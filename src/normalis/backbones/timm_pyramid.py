"""The feature pyramid over a timm network."""

import hashlib
from collections.abc import Mapping
from typing import Any, cast, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from normalis.backbones.network import Anatomy
from normalis.backbones.pyramid import AbstractPyramid
from normalis.errors import SettingsError

__all__ = ["TimmPyramid"]

TOKEN_EPS = 1e-6  # as in vision transformers


@final
class TimmPyramid(AbstractPyramid):
    """Maps of a timm network: each one stage, or the mean over a group of equal blocks.

    A convolutional network's map is one stage (METHODS 1.1). A plain vision transformer's map is
    the mean of the patch tokens after the blocks of a group, before the final norm, each token
    normalised on its own if asked for.

    Args:
        network: pruned, with its weights in.
        anatomy: what the network is.
        levels: for each map, the stages or blocks (from 0) that are averaged.
        pool: average pooling 3x3, stride 2, padding 1 on all maps but the last (METHODS 1.1); a
            plain transformer's maps are of one stride already, and stay as they are.
        scales: shares of the picture's size at which it is described, in turn.
        token_norm: bring every token to mean 0 and variance 1 before blocks are averaged.
    """

    def __init__(
        self,
        network: nn.Module,
        anatomy: Anatomy,
        *,
        levels: tuple[tuple[int, ...], ...],
        pool: bool,
        scales: tuple[float, ...] = (1.0,),
        token_norm: bool = False,
    ) -> None:
        super().__init__()
        pool = pool and not anatomy.is_plain_transformer
        self.network = network.float().requires_grad_(requires_grad=False)
        self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.name = anatomy.name
        self.channels = tuple(anatomy.channels[level[-1]] for level in levels) * len(scales)
        strides = [anatomy.strides[level[-1]] for level in levels]
        pooled = [stride * 2 if pool else stride for stride in strides[:-1]]
        own = (*pooled, strides[-1])
        self.strides = tuple(round(stride / scale) for scale in scales for stride in own)
        self.scales = scales
        self.anatomy = anatomy
        self.levels = levels
        self.pool = pool
        self.token_norm = token_norm
        for key, values in (("mean", anatomy.mean), ("std", anatomy.std)):
            self.register_buffer(key, torch.tensor(values).view(3, 1, 1), persistent=False)
        described = (anatomy.name.split(".")[0], anatomy.mean, anatomy.std, levels, pool)
        # A single scale and raw tokens are left out: they are what stores of older versions hold.
        described = (*described, scales) if scales != (1.0,) else described
        described = (*described, "token_norm") if token_norm else described
        self.fingerprint = _fingerprint(repr(described), network.state_dict())
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where pictures must lie."""
        return cast("Tensor", self.mean).device

    def extract(self, pixels: Float[Tensor, "b 3 height width"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Compute the maps; ``forward`` calls this after checking the size."""
        return [level for scale in self.scales for level in self._at(_shrunk(pixels, scale))]

    def check_size(self, height: int, width: int) -> None:
        """Raise SettingsError, naming the nearest allowed size, if pictures cannot be this big."""
        for scale in self.scales:
            self._check_size(*_sides((height, width), scale))

    def _at(self, pixels: Float[Tensor, "b 3 height width"]) -> list[Float[Tensor, "b _ _ _"]]:
        """The maps at one scale."""
        scaled = (pixels - cast("Tensor", self.mean)) / cast("Tensor", self.std)
        indices = sorted({index for level in self.levels for index in level})
        run = cast("Any", self.network).forward_intermediates
        maps = run(
            scaled.contiguous(memory_format=torch.channels_last),
            indices=indices,
            norm=False,
            output_fmt="NCHW",
            intermediates_only=True,
        )
        if self.token_norm:
            maps = [_normalised(tokens) for tokens in maps]
        by_index = dict(zip(indices, maps, strict=True))
        averaged = [_mean([by_index[index] for index in level]) for level in self.levels]
        return self._pooled(averaged)

    def _check_size(self, height: int, width: int) -> None:
        fixed = self.anatomy.fixed_size
        if fixed is not None and (height, width) != fixed:
            raise SettingsError(
                f'The backbone "{self.name}" takes pictures of {fixed[0]}x{fixed[1]} only (height '
                f"x width), but {height}x{width} was asked for."
            )
        if self.anatomy.is_plain_transformer:
            self._check_patches("height", height)
            self._check_patches("width", width)
        elif min(height, width) < max(self.anatomy.strides):
            raise SettingsError(
                f"Pictures of {height}x{width} are too small for the backbone "
                f'"{self.name}"; give at least {max(self.anatomy.strides)} pixels either way.'
            )

    def _check_patches(self, side: str, pixels: int) -> None:
        patch = self.anatomy.strides[0]
        if pixels % patch or pixels < patch:
            below = pixels // patch * patch
            near = f"{below} or {below + patch}" if below else f"{patch}"
            raise SettingsError(
                f'The {side} of pictures, {pixels}, is not a multiple of the backbone "{self.name}"'
                f"'s patch of {patch} pixels; the nearest allowed is {near}."
            )

    def _pooled(self, maps: list[Tensor]) -> list[Tensor]:
        if not self.pool:
            return maps
        pooled = [nn.functional.avg_pool2d(level, 3, stride=2, padding=1) for level in maps[:-1]]
        return [*pooled, maps[-1]]


def _sides(sides: tuple[int, int], scale: float) -> tuple[int, int]:
    """Height and width at a share of the size."""
    return round(scale * sides[0]), round(scale * sides[1])


def _shrunk(pixels: Float[Tensor, "b 3 height width"], scale: float) -> Tensor:
    """The picture at a share of its size, bilinear (METHODS 2.1)."""
    if scale == 1:
        return pixels
    size = _sides((pixels.shape[2], pixels.shape[3]), scale)
    return nn.functional.interpolate(pixels, size, mode="bilinear", align_corners=False)


def _normalised(tokens: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Every position's channels at mean 0 and variance 1.

    The scale and shift that a network has learned for its final norm are left out: they are one
    linear map for all positions, which a detector's whitening undoes.
    """
    by_channel = tokens.permute(0, 2, 3, 1)
    normal = nn.functional.layer_norm(by_channel, by_channel.shape[-1:], eps=TOKEN_EPS)
    return normal.permute(0, 3, 1, 2)


def _mean(maps: list[Tensor]) -> Tensor:
    return maps[0] if len(maps) == 1 else torch.stack(maps).mean(dim=0)


def _fingerprint(described: str, state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(described.encode())
    for key, tensor in sorted(state.items()):
        digest.update(f"{key} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()
