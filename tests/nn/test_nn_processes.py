"""Two processes with unequal shares of a batch normalise as one process with the whole batch."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from normalis.nn import SyncedBatchNorm
from two_processes import run_on_two

SHAPE = (8, 5, 3, 2)
assert_near = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5)


def train(rank: int | None) -> dict[str, Tensor]:
    """Two steps: outputs, gradients and running statistics; shares of 3 and 5 pictures."""
    share = {None: slice(None), 0: slice(3), 1: slice(3, None)}[rank]
    generator = torch.Generator().manual_seed(0)
    norm = SyncedBatchNorm(SHAPE[1])
    with torch.no_grad():
        norm.weight.copy_(torch.randn(SHAPE[1], generator=generator))
        norm.bias.copy_(torch.randn(SHAPE[1], generator=generator))
    xs, ys = [], []
    for _ in range(2):
        x = (2 + 3 * torch.randn(SHAPE, generator=generator))[share].requires_grad_()
        weight = torch.randn(SHAPE, generator=generator)[share]
        y = norm(x)
        (y.square() * weight).sum().backward()
        assert x.grad is not None
        xs.append(x.grad)
        ys.append(y.detach())
    assert norm.weight.grad is not None
    assert norm.bias.grad is not None
    return {
        "output": torch.cat(ys, 1),
        "gradient": torch.cat(xs, 1),
        "weight gradient": norm.weight.grad,
        "bias gradient": norm.bias.grad,
        "mean": norm.mean,
        "variance": norm.variance,
    }


@pytest.mark.slow
def test_two_processes_normalise_as_one(tmp_path: Path) -> None:
    first, second = run_on_two(train, tmp_path)
    alone = train(None)
    for key in ("output", "gradient"):
        assert_near(torch.cat([first[key], second[key]]), alone[key])
    for key in ("weight gradient", "bias gradient"):
        assert_near(first[key] + second[key], alone[key])
    for key in ("mean", "variance"):
        assert torch.equal(first[key], second[key]), f"{key} differs between the processes"
        assert_near(first[key], alone[key])
