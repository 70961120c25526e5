"""From a file to pixels: the one place where pictures and masks are decoded.

Whatever is wrong with a file comes out as an `ImageError` that names it; Pillow's own exceptions
and warnings stop here.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from jaxtyping import Bool, UInt8, UInt16
from PIL import Image, UnidentifiedImageError

from normalis.errors import ImageError

__all__ = [
    "GROUP",
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "POSITION",
    "UNREAD_SUFFIXES",
    "Picture",
    "is_picture",
    "read_group",
    "read_mask",
    "read_picture",
    "read_position",
]

MAX_PIXELS = 2**27
"""The largest picture that is decoded, in pixels (about 134 million)."""

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
"""The file name endings, in lower case, by which a folder's pictures are found."""

POSITION = "normalis:position"
"""The text of a PNG file that says where in its volume the slice lies."""

GROUP = "normalis:group"
"""The text of a PNG file that names the volume of which it is a slice."""

UNREAD_SUFFIXES = (
    *(".arw", ".avif", ".cr2", ".cr3", ".dng", ".exr", ".gif", ".heic", ".heif", ".jp2", ".jxl"),
    *(".nef", ".pbm", ".pgm", ".pnm", ".ppm", ".raw", ".tga"),
)
"""Endings of pictures in formats that are not read: they are told of, not passed over."""

_T = TypeVar("_T")

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
_EXIF_ORIENTATION = 0x0112
_TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright, in original pixels.

    Attributes:
        pixels: HWC RGB, to be read only; uint8 in [0, 255], or uint16 in [0, 65535] where the file
            is grey with 16 bits (the three channels are then one array seen three times).
        mode: The file's own mode in Pillow's words: "L", "RGBA", "I;16", "P".
        position: Where in its volume the slice lies that the picture shows, from the lowest, -1/2,
            to the highest, 1/2; None of a picture that does not say, such as every photograph.
    """

    pixels: UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w 3"]
    mode: str
    position: float | None = None

    @property
    def height(self) -> int:
        """The number of pixel rows."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """The number of pixel columns."""
        return self.pixels.shape[1]


def is_picture(path: Path) -> bool:
    """Whether the file's name ends as a picture's does; the file is not opened."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def read_picture(path: Path) -> Picture:
    """Decode a PNG, JPEG, BMP, WebP or TIFF file.

    EXIF rotation is applied, transparency is laid over white, and of several frames or pages the
    first is taken. Grey with 16 bits keeps its depth; colour with 16 bits is read with 8. The
    content decides, not the name's ending.

    Raises:
        ImageError: The file is missing, unreadable, empty, no picture, damaged or cut short, has
            more than `MAX_PIXELS` pixels (found before decoding), or has floating-point samples.
    """
    _require_content(path)
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            # What Pillow only warns of (large, odd metadata) is no reason to refuse a picture.
            warnings.simplefilter("ignore")
            return _decode(file)
    except Exception as error:  # Pillow's decoders let almost any exception escape
        raise ImageError(f"{path}: {_reason(error)}") from error


def read_position(path: Path) -> float | None:
    """Where in its volume the slice of a file lies, without decoding it; None if it does not say.

    Raises:
        ImageError: The file cannot be opened as a picture, or its position is none.
    """
    return _said(path, _position)


def read_group(path: Path) -> str | None:
    """What a file says that others show too, without decoding it; None if it does not say.

    Raises:
        ImageError: The file cannot be opened as a picture.
    """
    return _said(path, lambda image: image.info.get(GROUP))


def read_mask(path: Path, *, height: int, width: int) -> Bool[np.ndarray, "{height} {width}"]:
    """Read the ground truth of a picture with ``height`` rows and ``width`` columns.

    A pixel is defective where the mask is brighter than half of its range. Masks that hold small
    class numbers instead (no sample reaches half of the range) or a colour palette are defective
    wherever they are not black.

    Returns:
        HW bool, original pixels; True is defective.

    Raises:
        ImageError: As `read_picture`, or the mask is not as large as its picture.
    """
    mask = read_picture(path)
    if (mask.height, mask.width) != (height, width):
        raise ImageError(
            f"{path}: the mask has {mask.width}x{mask.height} pixels and its picture "
            f"{width}x{height}; both must have the same size."
        )
    brightest = mask.pixels.max(axis=2)
    half = np.iinfo(brightest.dtype).max // 2
    return brightest > (0 if mask.mode == "P" or brightest.max() <= half else half)


def _require_content(path: Path) -> None:
    try:
        is_file, size = path.is_file(), path.stat().st_size
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: {_reason(error)}") from error
    if not is_file:
        raise ImageError(f"{path}: this is not a file; give the path of a picture.")
    if size == 0:
        raise ImageError(f"{path}: the file is empty (0 bytes).")


def _decode(file: BinaryIO) -> Picture:
    with Image.open(file, formats=_FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ImageError(f"{image.width}x{image.height} pixels are {_too_many()}")
        mode, position = image.mode, _position(image)
        image.load()
        pixels = _to_pixels(_upright(image))
        pixels.flags.writeable = False
        return Picture(pixels, mode, position)


def _said(path: Path, what: Callable[[Image.Image], _T]) -> _T:
    """Something that a file says beside its pixels."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as in `read_picture`
            with Image.open(path, formats=_FORMATS) as image:
                return what(image)
    except Exception as error:  # as in `read_picture`
        raise ImageError(f"{path}: {_reason(error)}") from error


def _position(image: Image.Image) -> float | None:
    """The number that a slice carries as text of a PNG file."""
    text = image.info.get(POSITION)
    if text is None:
        return None
    try:
        position = float(text)
    except ValueError:
        position = math.nan
    if not -0.5 <= position <= 0.5:
        raise ImageError(f"its text {POSITION!r} is {text!r}; a slice's place lies in [-0.5, 0.5].")
    return position


def _upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF rotation; damaged EXIF is taken for none, as the pixels may still be good."""
    try:
        turn = _TURNS.get(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:  # the metadata parsers, too, let almost any exception escape
        return image
    return image if turn is None else image.transpose(turn)


def _to_pixels(
    image: Image.Image,
) -> UInt8[np.ndarray, "h w 3"] | UInt16[np.ndarray, "h w 3"]:
    if image.mode.startswith("I"):
        return _deep_grey(image)
    if image.mode == "F":
        raise ImageError(
            "floating-point samples have no known white; save the picture with 8 or 16 bits."
        )
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _deep_grey(image: Image.Image) -> UInt16[np.ndarray, "h w 3"]:
    grey = np.asarray(image)
    if grey.min() < 0 or grey.max() > 65535:
        raise ImageError("samples outside [0, 65535]; save the picture with 8 or 16 bits.")
    grey = grey.astype(np.uint16)
    # One array seen three times: a large picture costs a third, and writing to it would be wrong.
    return np.broadcast_to(grey[:, :, None], (*grey.shape, 3)).view()


def _too_many() -> str:
    return f"more than the limit of {MAX_PIXELS:,} pixels; cut the picture up or scale it down."


def _reason(error: Exception) -> str:
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        return f"the picture has {_too_many()}"
    if isinstance(error, UnidentifiedImageError):
        return "this is not a picture that can be read; PNG, JPEG, BMP, WebP and TIFF are."
    if isinstance(error, OSError) and error.strerror:
        return f"the file cannot be read ({error.strerror})."
    return f"the picture is damaged or cut short ({error})."
