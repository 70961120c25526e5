"""Small pictures, an LSR that learns them in a second, and how it is trained."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from normalis.detectors.build import build_detector
from normalis.detectors.contract import PLACE, PictureShapes
from normalis.detectors.lsr.detector import LSR
from normalis.detectors.lsr.settings import LSRSettings
from normalis.detectors.records import Batch

__all__ = ["LOCATED", "SHAPES", "located_maps", "made_lsr", "made_maps", "small_lsr", "trained_lsr"]

SHAPES = PictureShapes((16, 16), ((1, 16, 16),))
LOCATED = PictureShapes((16, 16), ((1, 16, 16), PLACE))


def small_lsr(**changes: Any) -> LSRSettings:
    small = LSRSettings(
        widths=(8, 16),
        codes=8,
        prior_width=16,
        prior_depth=1,
        restorations=3,
        smoothing=3,
        augmentation="none",
        scale="set",
        weighed=False,
    )
    return replace(small, **changes)


def made_maps(count: int, *, seed: int = 0, mark: bool = False) -> list[Tensor]:
    """A bright square in one of two places on dark; marked, a bright bar where none belongs."""
    generator = torch.Generator().manual_seed(seed)
    x = 0.5 + 0.05 * torch.randn(count, 1, 16, 16, generator=generator)
    for row in range(count):
        left = 8 * (row % 2)
        x[row, 0, 4:12, left : left + 8] += 3
        if mark:
            x[row, 0, 12:16, 8 - left : 16 - left] += 3
    return [x]


def located_maps(count: int, *, seed: int = 0) -> list[Tensor]:
    """Flat slices that are as bright as they lie high."""
    generator = torch.Generator().manual_seed(seed)
    where = torch.rand(count, 1, 1, 1, generator=generator) - 0.5
    noise = 0.05 * torch.randn(count, 1, 16, 16, generator=generator)
    return [where + noise, where]


def made_lsr(settings: LSRSettings | None = None, *, seed: int = 0) -> LSR:
    """It starts from data, and has learned nothing."""
    detector = build_detector(settings or small_lsr(), SHAPES, concepts=1, seed=seed)
    assert isinstance(detector, LSR)
    detector.train()
    detector.initialise(lambda: iter([made_maps(8, seed=s) for s in range(3)]), seed=0)
    return detector


def trained_lsr(settings: LSRSettings | None = None, *, steps: int = 60) -> LSR:
    """Each stage for this many steps, and thresholds from held-out pictures."""
    detector = made_lsr(settings)
    learn(detector, lambda seed: made_maps(8, seed=seed), steps=steps)
    detector.set_scale(made_maps(8, seed=s) for s in range(50, 56))
    return detector


def learn(detector: LSR, maps: Callable[[int], list[Tensor]], *, steps: int) -> None:
    """Every stage for this many steps, on the maps of a new seed at each."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for stage in detector.stages:
            detector.enter(stage)
            detector.train()
            parameters = detector.parameter_groups()[0].parameters
            optimizer = torch.optim.Adam(parameters, lr=5e-3)
            for step in range(steps):
                losses = detector.loss(Batch(maps(100 + step)))
                optimizer.zero_grad()
                losses.total.backward()
                optimizer.step()
                detector.update_codebooks(losses, generator)
    detector.eval()
