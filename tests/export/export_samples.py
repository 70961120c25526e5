"""Small models of every preset, fitted on the real pictures of the examples."""

from dataclasses import replace
from pathlib import Path

from normalis.api.fit import fit
from normalis.api.options import FitOptions
from normalis.detectors.build import Method
from normalis.detectors.hgad.settings import HGADSettings
from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.images.prepare import Preparation
from normalis.presets import preset
from normalis.recipes import Recipe
from small_world import small_recipe

__all__ = ["EXAMPLES", "PRESETS", "fit_preset", "new_pictures"]

PRESETS = ("vqflow", "vqflow-paper", "flow", "hgad")
EXAMPLES = Path(__file__).parents[2] / "examples" / "pictures"


def fit_preset(name: str, weights: Path, folder: Path) -> Path:
    """A model of this preset, at widths and a picture size that take seconds."""
    model = folder / name
    options = FitOptions(cache=folder / "cache", device="cpu")
    fit(EXAMPLES, model, recipe=_small(name, weights), options=options)
    return model


def new_pictures(count: int) -> list[Path]:
    """Test pictures of every product, good ones and defects."""
    every = sorted(EXAMPLES.glob("*/test/*/*.*"))
    return every[:: len(every) // count]


def _small(name: str, weights: Path) -> Recipe:
    """The preset with small widths."""
    small = small_recipe(weights, epochs=1)
    return replace(
        small,
        preset=name,
        method=_widths(preset(name).method),
        preparation=Preparation(height=64, width=64),
    )


def _widths(method: Method) -> Method:
    """The method's settings with small widths."""
    if isinstance(method, HGADSettings):
        few = replace(method, blocks=2, hidden=8, centres=3, places=4, information=1.0)
        return replace(few, position_width=4, descriptor=8, memory=8, smoothing=1.0)
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
