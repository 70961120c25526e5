"""Small pictures and heat maps of a test set, drawn while it is scored."""

from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Bool

from normalis.datasets.sample import Sample
from normalis.evaluation.folder import PICTURES
from normalis.evaluation.result import Drawn
from normalis.images.decode import Picture
from normalis.report.overlay import overlay, picture_image, write_image
from normalis.results import MapRange, Result

__all__ = ["THUMBNAIL_SIDE", "Thumbnails"]

THUMBNAIL_SIDE = 384
"""The longest side of a thumbnail, in pixels; smaller pictures keep their size."""


@final
class Thumbnails:
    """Draws every scored picture as it is, with heat map, frame and outline, and restored.

    Args:
        folder: The result's folder; the files go to `pictures/` in it.
        map_range: What the model's maps mean.
    """

    def __init__(self, folder: Path, map_range: MapRange) -> None:
        self._folder = folder
        self._map_range = map_range

    def draw(
        self,
        sample: Sample,
        answer: Result,
        *,
        mask: Bool[np.ndarray, "h w"] | None,
        number: int,
    ) -> Drawn:
        """Write the files of a picture, WebP.

        Args:
            sample: The picture in its data set.
            answer: What the model said of it.
            mask: The defect, original pixels; outlined.
            number: No other picture's; it names the files.

        Raises:
            OSError: A file cannot be written.
        """
        images = {
            "picture": picture_image(answer.picture, longest_side=THUMBNAIL_SIDE),
            "heat": overlay(answer, self._map_range, mask=mask, longest_side=THUMBNAIL_SIDE),
        }
        if answer.restored is not None:
            restored = Picture(answer.restored, "RGB")
            images["restored"] = picture_image(restored, longest_side=THUMBNAIL_SIDE)
        names = {kind: f"{PICTURES}/{number:05}-{kind}.webp" for kind in images}
        for kind, image in images.items():
            write_image(image, self._folder / names[kind])
        size = images["picture"].size
        return Drawn(names["picture"], names["heat"], size, names.get("restored"))
