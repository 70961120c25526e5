"""A tiny pyramid without a network, and tiny pictures."""

from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d

from normalis.backbones.pyramid import AbstractPyramid
from normalis.datasets.sample import Sample
from normalis.features.extract import FeatureTable, extract_features
from normalis.images.decode import read_picture
from normalis.images.prepare import Preparation, prepare

__all__ = ["SMALL", "FakePyramid", "assert_right", "extracted", "sample_of", "write_pictures"]

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


def extracted(
    samples: Any, cache: Path, *, pyramid: FakePyramid | None = None, **values: Any
) -> FeatureTable:
    pyramid = pyramid or FakePyramid()
    return extract_features(samples, pyramid=pyramid, preparation=SMALL, cache=cache, **values)


def assert_right(table: FeatureTable) -> None:
    """Compare each stored map with the block means of the picture itself."""
    for index, sample in enumerate(table.samples):
        pixels = torch.from_numpy(prepare(read_picture(sample.path), SMALL).pixels)[None]
        for level, stride in zip(table.batch([index]), (4, 8), strict=True):
            torch.testing.assert_close(level, avg_pool2d(pixels, stride), rtol=1e-3, atol=1e-3)
