"""Frozen networks that turn pictures into feature maps; the only package that imports timm."""

from normalis.backbones.build import build_pyramid, pyramid_state, restore_pyramid
from normalis.backbones.pyramid import AbstractPyramid
from normalis.backbones.settings import BackboneSettings

__all__ = [
    "AbstractPyramid",
    "BackboneSettings",
    "build_pyramid",
    "pyramid_state",
    "restore_pyramid",
]
