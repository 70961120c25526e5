"""Two made products, small enough to fit a model in seconds, and the program in this process."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from normalis.cli.main import app

TINY = [
    *("--size", "64", "--set", "training.least_steps=4", "--epochs", "1"),
    *("--set", "training.batch_size=4", "--set", "calibration.share=0.3"),
    *("--set", "vqflow.hidden=16", "--set", "vqflow.prototype=8", "--set", "vqflow.patterns=8"),
]


@dataclass(frozen=True)
class Fitted:
    """A model, the pictures it was fitted on, and what the command printed."""

    model: Path
    data: Path
    lines: list[str]


def run(*arguments: object, fails: int = 0) -> list[str]:
    """The lines that a command prints, on both streams; its exit code must be this."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == fails, done.output
    return done.output.splitlines()


def draw(path: Path, *, kind: str, seed: int, defect: bool = False) -> Path:
    """A disc on blue or a bar on grey, somewhat noisy; a defect is a red spot."""
    generator = np.random.default_rng(seed)
    image = Image.new("RGB", (72, 64), (30, 40, 90) if kind == "disc" else (128, 128, 128))
    pen = ImageDraw.Draw(image)
    x = int(generator.integers(-3, 4))
    if kind == "disc":
        pen.ellipse((16 + x, 12, 56 + x, 52), fill=(220, 200, 120))
    else:
        pen.rectangle((8, 24 + x, 64, 40 + x), fill=(40, 120, 60))
    if defect:
        pen.ellipse((30, 26, 42, 38), fill=(250, 0, 40))
    noise = generator.integers(-8, 9, (64, 72, 3))
    pixels = np.clip(np.asarray(image).astype(int) + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def make_products(root: Path, *, good: int = 14, kinds: Sequence[str] = ("bar", "disc")) -> Path:
    """MVTec's layout: good pictures to learn from, and a test part with masks."""
    for number, kind in enumerate(kinds):
        for i in range(good):
            draw(root / kind / f"train/good/{i:03}.png", kind=kind, seed=100 * number + i)
        for i in range(2):
            seed = 1000 + 100 * number + i
            draw(root / kind / f"test/good/{i:03}.png", kind=kind, seed=seed)
            draw(root / kind / f"test/spot/{i:03}.png", kind=kind, seed=seed + 50, defect=True)
            mask = Image.new("L", (72, 64))
            ImageDraw.Draw(mask).ellipse((30, 26, 42, 38), fill=255)
            (root / kind / "ground_truth/spot").mkdir(parents=True, exist_ok=True)
            mask.save(root / kind / f"ground_truth/spot/{i:03}_mask.png")
    return root
