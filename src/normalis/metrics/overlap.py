"""AUPRO: the area under the per-region overlap, exact (METHODS §4).

The overlap (PRO) at a threshold is the mean, over the connected defect regions, of the share of
the region that lies at or above it (Bergmann et al., *The MVTec Anomaly Detection Dataset*, 2021).
That is a sum of one weight a pixel, 1 / (size of its region), so the curve of weighted anomalous
pixels against normal pixels *is* the PRO curve, at every threshold there is.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy import ndimage

from normalis.metrics.counts import ScoreCounts
from normalis.metrics.curve import Curve

__all__ = ["aupro", "region_recall", "region_weights"]

_EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=np.int8)


def aupro(
    maps: Sequence[Float[np.ndarray, "_ _"]],
    masks: Sequence[Bool[np.ndarray, "_ _"]],
    *,
    fpr_limit: float = 0.3,
) -> float | None:
    """Area under the per-region overlap for pixel false-alarm rates in [0, fpr_limit].

    Arguments and errors are those of `region_recall`; besides, a limit outside (0, 1] is a
    ValueError.

    Returns:
        The area divided by the limit, in [0, 1]; None without a defect or without a normal pixel.
    """
    return region_recall(maps, masks).area(limit=fpr_limit)


def region_recall(
    maps: Sequence[Float[np.ndarray, "_ _"]], masks: Sequence[Bool[np.ndarray, "_ _"]]
) -> Curve:
    """The curve of mean recall over the defect regions against pixel false alarms.

    Args:
        maps: Anomaly maps (H, W), higher is more anomalous; the pictures may differ in size.
        masks: The defects of each picture (H, W), all False for a normal one.

    Raises:
        ValueError: If a map holds NaN, or if maps and masks do not match in number or size.
    """
    if [m.shape for m in maps] != [m.shape for m in masks]:
        raise ValueError("Maps and masks must match one to one, each mask as large as its map.")
    counts = ScoreCounts()
    for values, mask in zip(maps, masks, strict=True):
        counts.add(values, mask, weights=region_weights(mask))
    return counts.curve(weighted=True)


def region_weights(mask: Bool[np.ndarray, "h w"]) -> Float64[np.ndarray, " n"]:
    """1 / (size of its region) for each True pixel, in the order of ``mask[mask]``.

    Regions are connected through any of the 8 neighbours; each region's weights sum to 1.
    """
    regions = np.zeros(mask.shape, dtype=np.int32)
    ndimage.label(mask, structure=_EIGHT_NEIGHBOURS, output=regions)
    numbers = regions[mask]
    return 1.0 / np.bincount(numbers)[numbers] if len(numbers) else np.zeros(0)
