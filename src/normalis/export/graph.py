"""The graph that is exported: from the prepared picture to map, score, p-value and concept."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from normalis.backbones.pyramid import AbstractPyramid
from normalis.calibration import Calibration
from normalis.detectors.contract import AbstractDetector

__all__ = ["ScoreGraph", "held_out_table"]


class ScoreGraph(nn.Module):
    """A whole model as one function of tensors.

    Args:
        pyramid: The backbone.
        detector: The fitted detector, in its fastest form.
        calibration: Gives the p-values.
        concepts: How many concepts the detector may name.
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
    ) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.detector = detector
        for name, values in held_out_table(calibration, concepts).items():
            self.register_buffer(name, values)

    def forward(self, pixels: Float[Tensor, "b 3 h w"]) -> tuple[Tensor, ...]:
        """Map, score, p-value and concept of prepared pictures, RGB in [0, 1].

        Where the method says how sure the concept is, that comes last.
        """
        scores = self.detector.score_in_graph(self.pyramid(pixels))
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
