"""Volumes by way of their axial slices: pictures to learn from, answers on the volume's grid."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy import ndimage

from normalis.images.decode import GROUP, POSITION, Picture
from normalis.images.write import replacing
from normalis.results import Result
from normalis.scoring import Scorer
from normalis.volumes.tissue import Tissue, picture_plane, slice_picture
from normalis.volumes.volume import Volume, slice_positions

__all__ = ["DrawSlice", "VolumeAnswer", "score_volume", "write_slices"]

DrawSlice = Callable[[int, Result], None]
"""Draws a scored slice, given its number; `report.volumes.VolumePages.draw` is one."""

LEAST_TISSUE = 0.01  # share of a slice; one with less is not looked at


@dataclass(frozen=True)
class VolumeAnswer:
    """The answer for one volume, on its own grid in the body's axes.

    Attributes:
        score: The sum over the slices (METHODS §3.3); higher is more anomalous.
        slices: The score of each axial slice from the lowest on; 0 where there is no tissue.
        map: float32 `x y z`; higher is more anomalous, 0 where there is no tissue.
        restored: float32 `x y z`, the scanner's units in 256 steps, the volume without what is
            unusual in it; None where the method does not say.
    """

    score: float
    slices: tuple[float, ...]
    map: Float32[np.ndarray, "x y z"]
    restored: Float32[np.ndarray, "x y z"] | None


def write_slices(volume: Volume, folder: Path) -> int:
    """Write the slices that show tissue as grey PNG files of 16 bits, to learn from.

    Args:
        volume: A healthy one.
        folder: Of its own; made if it is missing. Slice 7 becomes `z0007.png`, which says in a text
            of the file where in the volume it lies, and that they all are of one, called as the
            folder: a volume is held out of the training as a whole.

    Returns:
        How many there are.

    Raises:
        OSError: A file cannot be written.
    """
    tissue = Tissue.of(volume.values)
    folder.mkdir(parents=True, exist_ok=True)
    shown = _shown(volume, tissue)
    for z, picture in zip(shown, _pictures(volume, tissue, shown), strict=True):
        with replacing(folder / f"z{z:04}.png") as temporary:
            said = PngInfo()
            said.add_text(POSITION, str(picture.position))
            said.add_text(GROUP, folder.name)
            Image.fromarray(picture.pixels[:, :, 0]).save(temporary, format="PNG", pnginfo=said)
    return len(shown)


def score_volume(scorer: Scorer, volume: Volume, *, draw: DrawSlice | None = None) -> VolumeAnswer:
    """Score a volume slice by slice; memory holds the volume, its map, and a batch of slices.

    Args:
        scorer: A model of slices, as `write_slices` writes them.
        volume: Any size.
        draw: Is given every slice that shows tissue.
    """
    tissue = Tissue.of(volume.values)
    shown = _shown(volume, tissue)
    scores = np.zeros(volume.values.shape[2])
    values = np.zeros_like(volume.values)
    restored: Float32[np.ndarray, "x y z"] | None = None
    answers = scorer.score_pictures(_pictures(volume, tissue, shown))
    for z, answer in zip(shown, answers, strict=True):
        scores[z] = answer.score
        if draw is not None:
            draw(z, answer)
        values[:, :, z] = picture_plane(answer.map)
        if answer.restored is not None:
            restored = volume.values.copy() if restored is None else restored
            grey = answer.restored[:, :, 0].astype(np.float32) / 255
            restored[:, :, z] = tissue.values(picture_plane(grey))
    if scorer.detector.across > 1:
        values[:, :, shown] = _filtered(values[:, :, shown], scorer.detector.across)
    return VolumeAnswer(float(scores.sum()), tuple(scores.tolist()), values, restored)


def _filtered(values: Float32[np.ndarray, "x y z"], across: int) -> Float32[np.ndarray, "x y z"]:
    """The minimum, and then the mean, over neighbouring slices: what is real lies in several.

    References:
        LSR (METHODS §3.3), whose cubes take both steps at once; here each slice has had its own.
    """
    least = ndimage.minimum_filter1d(values, across, axis=2, mode="nearest")
    return ndimage.uniform_filter1d(least, across, axis=2, mode="nearest")


def _shown(volume: Volume, tissue: Tissue) -> list[int]:
    """The slices that show enough tissue."""
    share = tissue.shows(volume.values).mean((0, 1))
    return np.flatnonzero(share >= LEAST_TISSUE).tolist()


def _pictures(volume: Volume, tissue: Tissue, shown: list[int]) -> Iterator[Picture]:
    """Slices as pictures, made as they are needed."""
    position = slice_positions(volume.values.shape[2]).tolist()
    for z in shown:
        yield slice_picture(tissue.grey(volume.values[:, :, z]), position=position[z])
