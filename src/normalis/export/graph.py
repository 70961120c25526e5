"""The graph that is exported: from the prepared picture to map, score, p-value and concept."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from normalis.backbones.pyramid import AbstractPyramid
from normalis.calibration import Calibration
from normalis.detectors.contract import AbstractDetector

__all__ = ["ScoreGraph", "as_stored_by_arithmetic", "held_out_table"]

_LARGEST = 65504.0  # of float16
_SPLITTER = float(2 ** (24 - 11) + 1)  # float32 has 24 digits, float16 has 11


class ScoreGraph(nn.Module):
    """A whole model as one function of tensors.

    Args:
        pyramid: The backbone.
        detector: The fitted detector, in its fastest form.
        calibration: Gives the p-values.
        concepts: How many concepts the detector may name.
        rounded: Features are rounded as stored ones are.
    """

    held_out: Tensor
    weights: Tensor
    counts: Tensor

    def __init__(
        self,
        pyramid: AbstractPyramid,
        detector: AbstractDetector,
        *,
        calibration: Calibration,
        concepts: int,
        rounded: bool = True,
    ) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.detector = detector
        self.rounded = rounded
        for name, values in held_out_table(calibration, concepts).items():
            self.register_buffer(name, values)

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        """Map, score, p-value and concept of prepared pictures, RGB in [0, 1].

        Where the method says how sure the concept is, that comes last.
        """
        maps = self.pyramid(pixels)
        if self.rounded:
            maps = [as_stored_by_arithmetic(x) for x in maps]
        scores = self.detector.score_in_graph(maps)
        as_high = self.held_out[scores.concept] >= scores.image[:, None]
        weight = (as_high * self.weights[scores.concept]).sum(1)
        p_value = (1 + weight) / (1 + self.counts[scores.concept])
        sure = () if scores.probability is None else (scores.probability,)
        return scores.maps, scores.image, p_value, scores.concept, *sure


def held_out_table(calibration: Calibration, concepts: int) -> dict[str, Tensor]:
    """The held-out scores that each concept is compared with.

    Returns:
        `held_out`, `k n`; `weights`, `k n`, what each counts; and `counts`, `k`, what they count
        together. Rows are as long as there are held-out pictures, so that another calibration of
        the same pictures fits in their place.
    """
    compared = [calibration.compared_with(concept) for concept in range(concepts)]
    table = torch.full((concepts, len(calibration.scores)), -torch.inf)
    weights = torch.zeros_like(table)
    for row, weight, one in zip(table, weights, compared, strict=True):
        row[: len(one.scores)] = torch.from_numpy(one.scores)
        weight[: len(one.scores)] = torch.from_numpy(one.weights)
    counts = torch.tensor([float(one.count) for one in compared])
    return {"held_out": table, "weights": weights, "counts": counts}


def as_stored_by_arithmetic(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """A map rounded as `normalis.features.store.as_stored` does, but by arithmetic.

    Runtimes take a conversion to float16 and back for idle, and drop it. Adding and taking away
    a multiple leaves as many digits as float16 has (Veltkamp, 1968).
    """
    bounded = x.clamp(-_LARGEST, _LARGEST)
    multiple = _SPLITTER * bounded
    return multiple - (multiple - bounded)
