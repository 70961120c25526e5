"""A world in which a model trains within a second: made features, made pictures, tiny widths."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from normalis.backbones.settings import BackboneSettings
from normalis.calibration import CalibrationSettings
from normalis.datasets.sample import Sample
from normalis.detectors.contract import AbstractDetector, PictureShapes
from normalis.detectors.vqflow.build import build_vqflow
from normalis.detectors.vqflow.detector import VQFlow
from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.features.extract import FeatureTable
from normalis.features.store import FeatureStore
from normalis.images.prepare import Preparation
from normalis.recipes import Recipe
from normalis.training.settings import TrainingSettings

__all__ = [
    "FOUR_MAPS",
    "PRODUCTS",
    "TWO_MAPS",
    "Listener",
    "begin",
    "made_detector",
    "made_maps",
    "made_table",
    "small_recipe",
    "small_settings",
    "write_pictures",
    "write_weights",
]

FOUR_MAPS = PictureShapes((32, 32), ((8, 8, 8), (10, 4, 4), (12, 2, 2), (14, 2, 2)))
TWO_MAPS = PictureShapes((32, 32), ((8, 4, 4), (10, 4, 4)))
PRODUCTS = ("bolt", "nut", "washer")


@dataclass
class Listener:
    """An observer that remembers, and does on the n-th step of training what it is told."""

    at_step: int = -1
    act: Callable[[], None] = lambda: None
    stages: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    steps: int = 0

    def stage(self, name: str, total: int) -> None:
        self.stages.append(name)

    def advance(self, count: int = 1, *, note: str = "") -> None:
        is_training = self.stages and self.stages[-1].startswith("training")
        if count and is_training and note:
            self.steps += 1
            if self.steps == self.at_step:
                self.act()

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


def small_settings(**changes: Any) -> VQFlowSettings:
    """The defaults at widths that train in no time."""
    small = VQFlowSettings(
        blocks=(2,), hidden=8, concepts=4, prototype=8, patterns=16, position_width=4, memory=8
    )
    return replace(small, **changes)


def made_maps(count: int, shapes: PictureShapes = FOUR_MAPS, *, seed: int = 0) -> list[Tensor]:
    """Features of pictures of three products in turn; each has its own mean at each place."""
    world = torch.Generator().manual_seed(99)
    chance = torch.Generator().manual_seed(seed)
    levels: list[Tensor] = []
    for shape in shapes.maps:
        means = torch.randn(len(PRODUCTS), *shape, generator=world)
        own = means[torch.arange(count) % len(PRODUCTS)]
        levels.append(4 * own + torch.randn(count, *shape, generator=chance))
    return levels


def made_table(folder: Path, count: int, shapes: PictureShapes = FOUR_MAPS) -> FeatureTable:
    """The same, stored, with a sample for each."""
    store = FeatureStore(folder, shapes.maps)
    maps = made_maps(count, shapes)
    digests = [f"{row:064x}" for row in range(count)]
    for row, digest in enumerate(digests):
        store.write(digest, [level[row].numpy() for level in maps])
    samples = [
        Sample(Path(d), d, category=PRODUCTS[i % 3], split="train", defect="good", mask=None)
        for i, d in enumerate(digests)
    ]
    return FeatureTable(store, tuple(samples), tuple(digests), ())


def made_detector(
    settings: VQFlowSettings | None = None,
    shapes: PictureShapes = FOUR_MAPS,
    *,
    count: int = 24,
    concepts: int = 3,
) -> VQFlow:
    """A detector that starts from made features, and whose flows are not the identity."""
    detector = build_vqflow(settings or small_settings(), shapes, concepts=concepts, seed=0)
    begin(detector, made_maps(count, shapes))
    return detector


def begin(detector: AbstractDetector, maps: list[Tensor]) -> None:
    """Start a detector from features, and move its flows away from the identity."""
    detector.train()
    detector.initialise(
        lambda: iter([[level[i : i + 8] for level in maps] for i in (0, 8, 16)]), seed=0
    )
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))


def write_pictures(folder: Path, count: int, *, seed: int = 0) -> Path:
    """Pictures of a red, a green and a blue product, in turn, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(seed)
    for index in range(count):
        picture = chance.integers(0, 60, (36, 32, 3))
        picture[8:24, 8 + 4 * (index % 3) : 20, index % 3] += 180
        path = folder / f"{PRODUCTS[index % 3]}-{index:03}.png"
        Image.fromarray(picture.astype(np.uint8)).save(path)
    return folder


def write_weights(folder: Path, name: str = "test_resnet") -> Path:
    """Random weights of one of the smallest networks that timm has."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = timm.create_model(name, pretrained=False)
    path = folder / f"{name}.safetensors"
    save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, path)
    return path


def small_recipe(weights: Path, **training: Any) -> Recipe:
    """A recipe that fits a few dozen pictures in about a second."""
    return Recipe(
        backbone=BackboneSettings(name="test_resnet", weights=str(weights), pool=True),
        preparation=Preparation(height=32, width=32),
        method=small_settings(smoothing=1.0),
        training=replace(
            TrainingSettings(epochs=3, least_steps=0, batch_size=4, precision="float32"), **training
        ),
        calibration=CalibrationSettings(far=0.25, share=0.2),
    )
