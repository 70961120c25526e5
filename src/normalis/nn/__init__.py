"""Layers and encodings that several methods share: tensors in, tensors out."""

from normalis.nn.blur import BlurredEnlargement, gaussian_blur, local_mean
from normalis.nn.layers import ChannelNorm, PointwiseMLP, SyncedBatchNorm, conv_subnet
from normalis.nn.position import position_encoding

__all__ = [
    "BlurredEnlargement",
    "ChannelNorm",
    "PointwiseMLP",
    "SyncedBatchNorm",
    "conv_subnet",
    "gaussian_blur",
    "local_mean",
    "position_encoding",
]
