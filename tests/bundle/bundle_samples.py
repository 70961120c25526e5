"""A saved model, and the scorer that it was saved from."""

from pathlib import Path

import torch

from normalis.backbones.build import build_pyramid, pyramid_state
from normalis.bundle import Manifest, PictureCounts, write_bundle
from normalis.calibration import Calibration
from normalis.detectors.build import build_detector
from normalis.detectors.contract import PictureShapes
from normalis.recipes import Recipe
from normalis.results import MapRange
from normalis.scoring import Scorer

__all__ = ["World", "saved"]

World = tuple[Path, Scorer, list[Path]]


def saved(folder: Path, recipe: Recipe) -> Scorer:
    """Save a detector with made moments; the scorer as it was before."""
    pyramid = build_pyramid(recipe.backbone)
    shapes = PictureShapes((32, 32), pyramid.shapes(32, 32))
    detector = build_detector(recipe.method, shapes, concepts=3, seed=0)
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(12, *shape, generator=generator) for shape in shapes.maps]
    detector.train()
    detector.initialise(lambda: iter([maps]), seed=0)
    detector.eval()
    detector.set_scale([maps])
    calibration = Calibration(far=0.25, scores=(0.1, 0.1 + 1e-16, 1 / 3))
    manifest = Manifest(
        version="0.0",
        recipe=recipe.to_tree(),
        size=shapes.size,
        maps=shapes.maps,
        concepts=3,
        concept_pictures=(4, 4, 4),
        pictures=PictureCounts(train=12, validation=0, calibration=3, skipped=0),
        data="d" * 64,
        calibration=calibration.to_json(),
        map_range=(0.1, 1 / 3),
        files={},
    )
    write_bundle(
        folder,
        manifest,
        detector=detector.state_dict(),
        backbone=pyramid_state(pyramid),
        digests={"train": ["a" * 64]},
    )
    return Scorer(
        pyramid,
        recipe.preparation,
        detector=detector,
        calibration=calibration,
        map_range=MapRange(0.1, 1 / 3),
    )
