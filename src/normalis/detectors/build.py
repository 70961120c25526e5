"""The composition root: from a method's settings to its detector."""

from normalis.detectors.vqflow.build import PictureShapes, build_vqflow
from normalis.detectors.vqflow.detector import VQFlow
from normalis.detectors.vqflow.settings import VQFlowSettings

__all__ = ["build_detector"]


def build_detector(
    settings: VQFlowSettings, shapes: PictureShapes, *, concepts: int, seed: int
) -> VQFlow:
    """The detector that these settings describe, not yet fitted.

    Args:
        settings: Of the method.
        shapes: Of the prepared picture and its feature pyramid.
        concepts: How many concepts the training pictures show.
        seed: Of the weights.

    Raises:
        SettingsError: Settings that do not fit the pyramid.
    """
    return build_vqflow(settings, shapes, concepts=concepts, seed=seed)
