"""The forms of VQ-Flow that every law is tried on."""

from collections.abc import Mapping

from normalis.detectors.vqflow.detector import VQFlow
from normalis.detectors.vqflow.settings import VQFlowSettings
from small_world import made_detector, made_maps, small_settings

__all__ = ["FORMS", "ready"]

FORMS: Mapping[str, VQFlowSettings] = {
    "default": small_settings(),
    "paper": small_settings(
        found_concepts=False,
        whitening="none",
        data_codes=False,
        exact_prior=False,
        per_dimension=False,
        absolute_score=False,
        kernel=3,
        hidden=0,
    ),
    "no codes": small_settings(condition="none", whitening="global"),
    "position": small_settings(condition="position"),
    "learned": small_settings(found_concepts=False),
    "levels": small_settings(
        levels=(1,), memory_levels=(0, 1), neighbourhood=(3, 1), fusion=False, image_score="levels"
    ),
}


def ready(settings: VQFlowSettings) -> VQFlow:
    """A detector of this form, initialised and scaled, in evaluation mode."""
    detector = made_detector(settings)
    detector.eval()
    detector.set_scale([made_maps(12, seed=1)])
    return detector
