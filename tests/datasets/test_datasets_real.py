"""The layouts and the decoder on real pictures, where they are at hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from normalis.datasets.check import check_dataset
from normalis.datasets.layouts import open_dataset
from normalis.images.decode import read_mask, read_picture
from normalis.images.prepare import Preparation, prepare

DATA = Path(__file__).parents[2].parent / "shared" / "data"

# set, categories, normal pictures to train on, normal test pictures, defective ones, masks
SETS = [
    ("demo", ("cookie", "cubes", "hazelnut"), 137, 58, 85, 49),
    ("mvtec", ("bottle", "pill", "tire", "toothbrush", "transistor"), 976, 143, 361, 321),
    ("industrial", ("magnetic_tile",), 762, 190, 392, 392),
    ("medical", ("brain_mri",), 1591, 405, 906, 0),
]


def need(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is not here")
    return DATA / name


@pytest.mark.parametrize(("name", "categories", "train", "good", "defect", "masks"), SETS)
def test_every_picture_is_found(
    name: str, categories: tuple[str, ...], train: int, good: int, defect: int, masks: int
) -> None:
    dataset = open_dataset(need(name))
    assert (dataset.layout, dataset.warnings) == ("mvtec", ())
    assert dataset.categories == categories
    assert len(dataset.train_good) == train
    assert sum(s.is_defect is False for s in dataset.test) == good
    assert sum(s.is_defect is True for s in dataset.test) == defect
    assert sum(s.mask is not None for s in dataset.samples) == masks


@pytest.mark.parametrize("name", [name for name, *_ in SETS])
def test_a_few_of_each_set_are_sound(name: str) -> None:
    dataset = open_dataset(need(name))
    every = max(1, len(dataset.samples) // 12)
    check = check_dataset(replace(dataset, samples=dataset.samples[::every]))
    assert (check.unreadable, check.masks_unusable) == ((), ())


@pytest.mark.parametrize("fit", ["squash", "pad", "crop"])
def test_a_real_defect_comes_back_in_original_pixels(fit: str) -> None:
    """Its mask, prepared as a picture and brought back, covers the same pixels."""
    dataset = open_dataset(need("demo") / "hazelnut")
    sample = next(s for s in dataset.test if s.mask is not None)
    assert sample.mask is not None
    assert fit in ("squash", "pad", "crop")
    picture = read_picture(sample.path)
    mask = read_mask(sample.mask, height=picture.height, width=picture.width)
    assert mask.any()
    pixels = np.repeat(mask[:, :, None], 3, axis=2).astype(np.uint8) * np.uint8(255)
    prepared = prepare(replace(picture, pixels=pixels), Preparation(fit=fit))
    back = prepared.frame.to_original(prepared.pixels[0]) > 0.5
    assert (back & mask).sum() / (back | mask).sum() > 0.9
