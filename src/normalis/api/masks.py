"""The mask of a test picture, where there is one that marks a defect."""

import numpy as np
from jaxtyping import Bool

from normalis.datasets.sample import Sample, printable
from normalis.errors import ImageError
from normalis.images.decode import read_mask

__all__ = ["Mask", "mask_of"]

Mask = Bool[np.ndarray, "h w"]


def mask_of(
    sample: Sample, *, size: tuple[int, int], skipped: list[tuple[str, str]]
) -> Mask | None:
    """Where the defect is; None where there is none, or no mask that marks it and can be used.

    Args:
        sample: With a label.
        size: Rows and columns of the picture.
        skipped: A mask that cannot be read is told here.
    """
    if not sample.is_defect or sample.mask is None:
        return None
    try:
        mask = read_mask(sample.mask, height=size[0], width=size[1])
    except ImageError as error:
        skipped.append((f"{sample.name} (its mask)", printable(str(error))))
        return None
    return mask if mask.any() else None
