"""A picture with its heat map over it and the marked place framed."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32
from PIL import Image, ImageDraw
from scipy import ndimage

from normalis.images.decode import Picture
from normalis.images.regions import Box
from normalis.images.write import replacing
from normalis.results import MapRange, Result

__all__ = ["LONGEST_SIDE", "overlay", "picture_image", "write_image"]

LONGEST_SIDE = 1024
"""Shown pictures are scaled down to at most this side, in pixels; never enlarged."""

_COLOURS = "inferno"  # rises in lightness all the way, for every kind of colour vision
_OUTLINE = (0, 230, 255)  # bright cyan: neither a colour of the heat nor of the frame
_STRENGTH = 0.65  # opacity of the heat from the high value on: the picture stays visible


def picture_image(picture: Picture, *, longest_side: int = LONGEST_SIDE) -> Image.Image:
    """A picture as it is shown: RGB with 8 bits, scaled down to at most this longest side, pixels.

    Sixteen bits are spread from the picture's own darkest to its brightest sample, for the eye
    only: a 12-bit camera's picture would otherwise be black.
    """
    size = _shown_size(picture, longest_side)
    if picture.pixels.dtype == np.uint8:
        return Image.fromarray(picture.pixels).resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    grey = picture.pixels[:, :, 0].astype(np.float32)
    low, high = float(grey.min()), float(grey.max())
    grey = (grey - low) * (255.0 / max(high - low, 1.0))
    shown = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX))
    return Image.fromarray(np.rint(shown).astype(np.uint8)).convert("RGB")


def overlay(
    result: Result,
    map_range: MapRange,
    *,
    mask: Bool[np.ndarray, "h w"] | None = None,
    longest_side: int = LONGEST_SIDE,
) -> Image.Image:
    """The shown picture, its heat map, and a black and white frame around the marked place.

    Heat is transparent up to the usual value, as dense as it gets from the high value on, and goes
    on changing its colour up to twice that. The scale is the model's, so that pictures compare.

    Args:
        result: The scored picture.
        map_range: What the map's values mean.
        mask: Where the defect truly is, original pixels: outlined in cyan within black.
        longest_side: The picture is scaled down to at most this side, in pixels.

    Returns:
        RGB with 8 bits, as large as `picture_image` shows the picture.
    """
    shown = picture_image(result.picture, longest_side=longest_side)
    values = Image.fromarray(np.ascontiguousarray(result.map))
    heat = _heat(np.asarray(values.resize(shown.size, Image.Resampling.BILINEAR)), map_range)
    shown.paste(heat, mask=heat.getchannel("A"))
    if result.box is not None:
        _frame(shown, result.box, shown.width / result.picture.width)
    if mask is not None:
        _outline(shown, mask)
    return shown


def write_image(image: Image.Image, path: Path) -> None:
    """Write a PNG, or a JPEG or WebP where the name ends so, whole or not at all; folders are made.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        if path.suffix.lower() in (".jpg", ".jpeg"):
            image.save(temporary, format="JPEG", quality=85)
        elif path.suffix.lower() == ".webp":
            image.save(temporary, format="WEBP", quality=70)
        else:
            image.save(temporary, format="PNG")


def _shown_size(picture: Picture, longest_side: int) -> tuple[int, int]:
    """Width and height of the shown picture."""
    factor = min(1.0, longest_side / max(picture.width, picture.height))
    return max(1, round(factor * picture.width)), max(1, round(factor * picture.height))


def _heat(values: Float32[np.ndarray, "h w"], map_range: MapRange) -> Image.Image:
    """The heat alone: RGBA, 0 at the usual value and 1 at the high one."""
    import matplotlib as mpl

    span = max(map_range.high - map_range.low, float(np.finfo(np.float32).tiny))
    level = np.clip(values - map_range.low, 0.0, 2 * span) / span
    heat = mpl.colormaps[_COLOURS](level / 2, bytes=True)
    heat[:, :, 3] = np.rint(255 * _STRENGTH * np.minimum(level, 1.0) ** 2)
    return Image.fromarray(heat)


def _frame(image: Image.Image, box: Box, scale: float) -> None:
    """A white line between two black ones around the box: visible on any ground."""
    line = max(1, round(max(image.size) / 400))
    left, top = (max(0, round(scale * side) - 2 * line) for side in (box.x0, box.y0))
    right = min(image.width - 1, round(scale * box.x1) + 2 * line)
    bottom = min(image.height - 1, round(scale * box.y1) + 2 * line)
    draw = ImageDraw.Draw(image)
    draw.rectangle((left, top, right, bottom), outline="black", width=3 * line)
    inner = (left + line, top + line, right - line, bottom - line)
    if inner[0] <= inner[2] and inner[1] <= inner[3]:
        draw.rectangle(inner, outline="white", width=line)


def _outline(image: Image.Image, mask: Bool[np.ndarray, "h w"]) -> None:
    """A bright line around the mask, within a black one: visible on any ground."""
    whole = Image.fromarray(mask.astype(np.uint8) * 255).resize(image.size, Image.Resampling.BOX)
    inside = np.asarray(whole) > 0  # the smallest defect is seen too
    line = max(1, round(max(image.size) / 400))
    bright, dark = (_grown(inside, width) for width in (line, 2 * line))
    # A mask that reaches the picture's side is closed along it.
    inside[[0, -1]] = inside[:, [0, -1]] = False
    pixels = np.array(image)
    pixels[dark & ~inside] = 0
    pixels[bright & ~inside] = _OUTLINE
    image.paste(Image.fromarray(pixels))


def _grown(mask: Bool[np.ndarray, "h w"], pixels: int) -> Bool[np.ndarray, "h w"]:
    """The mask and all that lies this near to it."""
    near = np.ones((3, 3), bool)
    return ndimage.binary_dilation(mask, near, iterations=pixels)
