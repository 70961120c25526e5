"""From restorations to one map and one restored picture."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from normalis.detectors.lsr.form import LSRForm
from normalis.nn.blur import local_mean

__all__ = ["CODE_MAP", "anomaly_map", "filtered", "restoration_weights", "unlikelihood", "unlikely"]

CODE_MAP = "how unlikely each code is, in nats, and not what restoration would change"


def restoration_weights(
    pictures: Float[Tensor, "b c h w"],
    restored: Float[Tensor, "b s c h w"],
    *,
    sharpness: float,
) -> Float[Tensor, "b s"]:
    r"""$softmax_j(3 / d_j)$: a restoration near its picture changed what had to be, and no more.

    $d_j$ is the mean absolute difference over pixels and channels. A sum over them would make all
    weights equal.

    References:
        LSR (METHODS §3.3).
    """
    distance = (restored - pictures[:, None]).abs().mean((2, 3, 4))
    return (sharpness / distance.clamp_min(1e-6)).softmax(1)


def unlikelihood(
    nll: Float[Tensor, "b i j"], *, size: tuple[int, int], smoothing: int
) -> Float[Tensor, "b h w"]:
    """How unlikely the codes around each pixel are, nats, smooth."""
    fine = F.interpolate(nll[:, None], list(size), mode="bilinear")
    return local_mean(fine, smoothing)[:, 0]


def filtered(
    maps: Float[Tensor, "b h w"], *, erosion: int, smoothing: int
) -> Float[Tensor, "b h w"]:
    """The minimum, and then the mean, over squares of these odd sides.

    The edge of a part that came back a pixel off differs along a thin line, which the minimum
    removes.

    References:
        LSR (METHODS §3.3), for pictures: the filters of one slice.
    """
    eroded = -F.max_pool2d(-maps[:, None], erosion, stride=1, padding=erosion // 2)
    return local_mean(eroded, smoothing)[:, 0]


def unlikely(nll: Float[Tensor, "b i j"], threshold: Float[Tensor, ""]) -> Float[Tensor, " b"]:
    """The sum over codes that are less likely than the threshold, nats (METHODS §3.3)."""
    return torch.where(nll > threshold, nll, 0.0).sum((1, 2))


def anomaly_map(
    difference: Float[Tensor, "b h w"], nll: Float[Tensor, "b i j"] | None, *, form: LSRForm
) -> Float[Tensor, "b y x"]:
    """The map of one score: filtered, and weighed if there are likelihoods.

    Args:
        difference: On the grid of what is restored.
        nll: Of each code; None where they do not count.
        form: Its filters, and the size of the map, that of the prepared picture.
    """
    smooth = filtered(difference, erosion=form.erosion, smoothing=form.smoothing)
    if nll is not None:
        weight = unlikelihood(
            nll, size=(smooth.shape[1], smooth.shape[2]), smoothing=form.smoothing
        )
        smooth = smooth * weight
    if smooth.shape[1:] == form.size:
        return smooth
    return F.interpolate(smooth[:, None], list(form.size), mode="bilinear")[:, 0]
