"""A tiny pyramid without a network, and tiny pictures."""

from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from normalis.backbones.pyramid import AbstractPyramid
from normalis.datasets.sample import Sample
from normalis.images.prepare import Preparation

__all__ = ["SMALL", "FakePyramid", "sample_of", "write_pictures"]

SMALL = Preparation(height=16, width=16)


@final
class FakePyramid(AbstractPyramid):
    """Block means of the pixels: every feature can be computed by hand."""

    def __init__(self, *, fingerprint: str = "f" * 64, factor: float = 1.0) -> None:
        super().__init__()
        self.name = "fake"
        self.channels = (3, 3)
        self.strides = (4, 8)
        self.fingerprint = fingerprint
        self.factor = factor
        self.batches: list[int] = []

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def check_size(self, height: int, width: int) -> None:
        """Take any size."""

    def extract(self, pixels: Float[Tensor, "b 3 height width"]) -> list[Float[Tensor, "b _ _ _"]]:
        if pixels.any():  # not the empty picture that only asks for shapes
            self.batches.append(len(pixels))
        return [avg_pool2d(pixels, stride) * self.factor for stride in self.strides]


def sample_of(path: Path) -> Sample:
    return Sample(path, path.name, category=None, split="train", defect=None, mask=None)


def write_pictures(folder: Path, count: int) -> list[Sample]:
    """Write random pictures, all different, and return their samples."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    samples: list[Sample] = []
    for index in range(count):
        path = folder / f"{index:03}.png"
        Image.fromarray(random.integers(1, 255, (20, 24, 3), dtype=np.uint8)).save(path)
        samples.append(sample_of(path))
    return samples
