"""The composition root: from a method's settings to its detector."""

from collections.abc import Mapping

from normalis.detectors.contract import AbstractDetector, PictureShapes
from normalis.detectors.hgad.build import build_hgad
from normalis.detectors.hgad.settings import HGADSettings
from normalis.detectors.lsr.build import build_lsr
from normalis.detectors.lsr.settings import LSRSettings
from normalis.detectors.vqflow.build import build_vqflow
from normalis.detectors.vqflow.settings import VQFlowSettings

__all__ = ["METHODS", "Method", "build_detector"]

Method = VQFlowSettings | HGADSettings | LSRSettings

# Under its name here stand a method's settings in a recipe.
METHODS: Mapping[str, type[Method]] = {
    "vqflow": VQFlowSettings,
    "hgad": HGADSettings,
    "lsr": LSRSettings,
}


def build_detector(
    settings: Method, shapes: PictureShapes, *, concepts: int, seed: int
) -> AbstractDetector:
    """The detector that these settings describe, not yet fitted.

    Args:
        settings: Of the method.
        shapes: Of the prepared picture and its feature pyramid.
        concepts: How many concepts the training pictures show.
        seed: Of the weights.

    Raises:
        SettingsError: Settings that do not fit the pyramid.
    """
    if isinstance(settings, HGADSettings):
        return build_hgad(settings, shapes, concepts=concepts, seed=seed)
    if isinstance(settings, LSRSettings):
        return build_lsr(settings, shapes, seed=seed)
    return build_vqflow(settings, shapes, concepts=concepts, seed=seed)
