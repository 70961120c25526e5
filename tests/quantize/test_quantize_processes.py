"""Two processes with half of each batch move the codes as one process with the whole batch."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from normalis.quantize import EMAQuantizer
from two_processes import run_on_two

SIZE, DIM, STEPS = 8, 4, 60


def batch(step: int) -> Tensor:
    """Three clusters, so that most of the codes die and are drawn anew."""
    generator = torch.Generator().manual_seed(step)
    centre = torch.randint(3, (20, 1), generator=generator)
    return 4.0 * centre + torch.randn(20, DIM, generator=generator)


def train(rank: int | None) -> dict[str, Tensor]:
    """The states of a codebook on one process; uneven shares: 14 and 6 rows."""
    share = {None: slice(None), 0: slice(14), 1: slice(14, None)}[rank]
    quantizer = EMAQuantizer(SIZE, DIM, decay=0.8, revive_below=0.5)
    quantizer.set_codes(torch.randn(SIZE, DIM, generator=torch.Generator().manual_seed(0)))
    generator = torch.Generator().manual_seed(1)
    history: list[Tensor] = []
    for step in range(STEPS):
        x = batch(step)[share]
        before = quantizer.codes.clone()
        quantizer.update(x, quantizer.quantize(x).codes, generator=generator)
        history.append(before)
    return {"history": torch.stack(history), **quantizer.state_dict()}


@pytest.mark.slow
def test_two_processes_move_the_codes_as_one(tmp_path: Path) -> None:
    first, second = run_on_two(train, tmp_path)
    alone = train(None)
    for key, value in alone.items():
        assert torch.equal(first[key], second[key]), f"{key} differs between the processes"
        torch.testing.assert_close(first[key], value, rtol=1e-4, atol=1e-4)
    jumps = (alone["history"].diff(dim=0).norm(dim=2) > 1).sum()
    assert int(jumps) > SIZE, "the example revives codes"
