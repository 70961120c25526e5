"""Small models of every preset, fitted on the real pictures of the examples."""

from dataclasses import replace
from pathlib import Path

from normalis.api.fit import fit
from normalis.api.options import FitOptions
from normalis.detectors.build import Method
from normalis.detectors.hgad.settings import HGADSettings
from normalis.detectors.lsr.settings import LSRSettings
from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.images.prepare import Preparation
from normalis.presets import preset
from normalis.recipes import Recipe
from small_world import small_recipe, write_weights

__all__ = ["EXAMPLES", "PRESETS", "fit_preset", "new_pictures"]

PRESETS = ("vqflow", "vqflow-paper", "vqflow-dinov2", "flow", "hgad", "lsr")
EXAMPLES = Path(__file__).parents[2] / "examples" / "pictures"


def fit_preset(name: str, folder: Path) -> Path:
    """A model of this preset, at widths and a picture size that take seconds."""
    model = folder / name
    options = FitOptions(cache=folder / "cache", device="cpu")
    fit(EXAMPLES, model, recipe=_small(name, folder), options=options)
    return model


def new_pictures(count: int) -> list[Path]:
    """Test pictures of every product, good ones and defects."""
    every = sorted(EXAMPLES.glob("*/test/*/*.*"))
    return every[:: len(every) // count]


def _small(name: str, folder: Path) -> Recipe:
    """The preset with small widths, and the smallest network of its kind."""
    whole = preset(name)
    small = small_recipe(write_weights(folder), epochs=1)
    backbone = small.backbone
    if whole.backbone.name == "pixels":
        backbone = whole.backbone
    elif whole.backbone.token_norm:
        weights = str(write_weights(folder, "test_vit"))
        groups = ((1, 2), (3, 5))
        backbone = replace(whole.backbone, name="test_vit", weights=weights, groups=groups)
    return replace(
        small,
        preset=name,
        backbone=backbone,
        method=_widths(whole.method),
        preparation=Preparation(height=64, width=64),
    )


def _widths(method: Method) -> Method:
    """The method's settings with small widths."""
    if isinstance(method, HGADSettings):
        few = replace(method, blocks=2, hidden=8, centres=3, places=4, information=1.0)
        return replace(few, position_width=4, descriptor=8, memory=8, smoothing=1.0)
    if isinstance(method, LSRSettings):
        return replace(method, widths=(8, 8), codes=8, prior_width=8, prior_depth=1, restorations=2)
    assert isinstance(method, VQFlowSettings)
    return replace(
        method,
        blocks=(2,),
        hidden=8,
        concepts=4,
        prototype=8,
        patterns=16,
        position_width=4,
        memory=min(method.memory, 8),
        smoothing=min(method.smoothing, 1.0),
    )
