"""The pattern branch: codes around the prototype, per position (METHODS §1.3)."""

import torch
from torch import Tensor

from normalis.detectors.vqflow.pattern import PatternBranch
from normalis.nn.position import position_encoding
from normalis.quantize.ema import EMAQuantizer

PROTOTYPE, PLACE, CODES = 4, 8, 6


def branch() -> PatternBranch:
    torch.manual_seed(0)
    codebook = EMAQuantizer(CODES, PLACE + PROTOTYPE)
    return PatternBranch(5, codebook, name="pattern 1", position_width=PLACE, grid=(3, 4)).eval()


def given() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 5, 3, 4), torch.randn(2, PROTOTYPE), torch.randn(2, 12, 3, 4)


def test_the_condition_is_the_anchored_code_and_the_prototype() -> None:
    part, (features, prototype, semantic) = branch(), given()
    pattern = part(features, prototype, semantic=semantic)
    place = position_encoding(PLACE, (3, 4)).view(PLACE, 3, 4)
    h = part.mlp(features) + semantic
    for b, i, j in [(0, 0, 0), (1, 2, 3), (0, 1, 2)]:
        anchor = torch.cat([place[:, i, j], prototype[b]])
        distances = (part.codebook.codes - (h[b, :, i, j] - anchor)).square().sum(1)
        code = part.codebook.codes[distances.argmin()]
        expected = torch.cat([anchor + code, prototype[b]])
        torch.testing.assert_close(
            pattern.condition.dense()[b, :, i, j], expected, rtol=1e-4, atol=1e-5
        )


def test_the_gradient_passes_straight_through_the_codes() -> None:
    part, (features, prototype, _) = branch(), given()
    features.requires_grad_()
    part(features, prototype).condition.dense().sum().backward()
    through = features.grad
    assert through is not None
    twin = features.detach().clone().requires_grad_()
    part.mlp(twin).sum().backward()
    torch.testing.assert_close(through, twin.grad)


def test_each_position_is_one_row_for_the_codebook() -> None:
    part, (features, prototype, _) = branch(), given()
    assignment = part(features, prototype).assignment
    assert assignment.inputs.shape == (2 * 3 * 4, PLACE + PROTOTYPE)
    assert not assignment.inputs.requires_grad
    assert int(assignment.usage.sum()) == 24
