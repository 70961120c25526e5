"""Layers and encodings that several methods share: tensors in, tensors out."""

from normalis.nn.blur import BlurredEnlargement, gaussian_blur, local_mean
from normalis.nn.layers import ChannelNorm, SyncedBatchNorm, conv_subnet, pointwise_mlp
from normalis.nn.position import position_encoding

__all__ = [
    "BlurredEnlargement",
    "ChannelNorm",
    "SyncedBatchNorm",
    "conv_subnet",
    "gaussian_blur",
    "local_mean",
    "pointwise_mlp",
    "position_encoding",
]
