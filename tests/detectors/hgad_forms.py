"""The forms of HGAD that every law is tried on."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from normalis.detectors.hgad.build import build_hgad
from normalis.detectors.hgad.detector import HGAD
from normalis.detectors.hgad.level import MixtureLevel
from normalis.detectors.hgad.settings import HGADSettings
from small_world import FOUR_MAPS, begin, made_maps

__all__ = ["FORMS", "SMALL", "levels_of", "made_hgad", "ready"]

SMALL = HGADSettings(
    blocks=3, hidden=8, position_width=4, descriptor=8, centres=3, places=5, memory=8
)
FORMS: Mapping[str, HGADSettings] = {
    "default": SMALL,
    "raw features": replace(SMALL, whitening="none", memory=0),
    "whitened alike": replace(SMALL, whitening="global"),
    "one Gaussian": replace(SMALL, mixture=False),
    "one centre": replace(SMALL, centres=1),
    "paper's network": replace(SMALL, hidden=0, subnet_norm=False, places=0),
    "levels": replace(
        SMALL, levels=(1,), memory_levels=(2, 0), neighbourhood=(1, 3), image_score="levels"
    ),
}


def made_hgad(name: str = "default", *, concepts: int = 3, **changes: Any) -> HGAD:
    """A detector over the three products of the small world, its flows not the identity."""
    settings = replace(FORMS[name], **changes)
    detector = build_hgad(settings, FOUR_MAPS, concepts=concepts, seed=0)
    begin(detector, made_maps(24))
    return detector


def ready(name: str = "default", **changes: Any) -> HGAD:
    detector = made_hgad(name, **changes).eval()
    detector.set_scale([made_maps(12, seed=1)])
    return detector


def levels_of(detector: HGAD) -> list[MixtureLevel]:
    return [level for level in detector.flows if isinstance(level, MixtureLevel)]
