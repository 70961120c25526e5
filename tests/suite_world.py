"""A suite whose runs take seconds: made pictures in MVTec's layout, and the smallest network."""

from pathlib import Path

import numpy as np
from PIL import Image

from small_world import write_pictures, write_weights

__all__ = ["make_set", "write_suite"]

SUITE = """
question = "Does it run?"
seeds = [0]

[set]
preparation = { height = 32, width = 32 }
calibration = { far = 0.25, share = 0.2 }
training = { epochs = 2, least_steps = 0, batch_size = 4, precision = "float32" }

[set.vqflow]
blocks = [2]
hidden = 8
concepts = 4
prototype = 8
patterns = 16
position_width = 4
memory = 8
smoothing = 1.0

[[data]]
name = "things"
path = "things"
published = ["MVTec AD"]

[[data]]
name = "absent"
path = "nowhere"

[[variants]]
title = "with memory"
backbone = "test_resnet"
weights = "test_resnet.safetensors"

[[variants]]
title = "without memory"
backbone = "test_resnet"
weights = "test_resnet.safetensors"
set = { vqflow = { memory = 0 } }
"""


def make_set(root: Path, *, categories: tuple[str, ...] = ("bottle", "nut")) -> Path:
    """12 good pictures a category to learn from, 2 good and 2 bad with masks to test."""
    for number, category in enumerate(categories):
        folder = root / category
        write_pictures(folder / "train/good", 12, seed=2 * number)
        good = sorted(write_pictures(folder / "test/good", 4, seed=2 * number + 1).iterdir())
        where = np.zeros((36, 32), bool)
        where[20:30, 4:14] = True
        for kind in ("test", "ground_truth"):
            (folder / kind / "hole").mkdir(parents=True)
        for index, path in enumerate(good[:2]):
            pixels = np.array(Image.open(path))
            pixels[where] = 255
            Image.fromarray(pixels).save(folder / f"test/hole/{index}.png")
            mask = (255 * where).astype(np.uint8)
            Image.fromarray(mask).save(folder / f"ground_truth/hole/{index}_mask.png")
            path.unlink()
    return root


def write_suite(folder: Path) -> Path:
    """A suite of two variants, one set that is there and one that is not; all it needs beside."""
    make_set(folder / "things")
    write_weights(folder)
    path = folder / "tiny.toml"
    path.write_text(SUITE, encoding="utf-8")
    return path
