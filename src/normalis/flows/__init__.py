"""Normalizing flows over feature maps: exact inverses, log-determinants per position."""

from normalis.flows.coupling import AffineCoupling
from normalis.flows.fusion import FusionCoupling, FusionSubnet
from normalis.flows.linear import (
    HardPermutation,
    SoftPermutation,
    random_permutation,
    random_rotation,
)
from normalis.flows.transform import AbstractTransform, Compose

__all__ = [
    "AbstractTransform",
    "AffineCoupling",
    "Compose",
    "FusionCoupling",
    "FusionSubnet",
    "HardPermutation",
    "SoftPermutation",
    "random_permutation",
    "random_rotation",
]
