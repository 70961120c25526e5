"""How long restorations take, with the cache and by recomputing the whole grid at every place.

    python benchmarks/restoration.py

Random weights and random grids of codes; the threshold is the likelihood that a tenth of the codes
fall below, as it is on held-out normal pictures. One thread; seconds are the processor's, which
other work on the machine hardly changes. Recomputing costs the same at every place, so that on
large grids it is timed at a few places and scaled; on a small one both ways go to the end, and
their codes are compared. The figures go to benchmarks/results/restoration.json.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from normalis.autoencoder.networks import Decoder
from normalis.evaluation.machine import machine
from normalis.prior.contract import AbstractPrior, code_nll
from normalis.prior.restoration import restore, restore_by_recomputing
from normalis.prior.snail import PixelSNAIL
from normalis.prior.transformer import CausalTransformer

RESULTS = Path(__file__).parent / "results" / "restoration.json"
CODES, SHARE = 128, 0.10
TIMED = 10  # places at which recomputing is timed


@dataclass(frozen=True)
class Case:
    """One comparison."""

    name: str
    build: Callable[[], AbstractPrior]
    grid: tuple[int, int]
    slices: int
    samples: int
    is_whole: bool = False


CASES = (
    Case("transformer", partial(CausalTransformer, CODES, (20, 20)), (20, 20), 1, 15),
    Case("transformer", partial(CausalTransformer, CODES, (12, 12)), (12, 12), 4, 15),
    Case("transformer", partial(CausalTransformer, CODES, (8, 8)), (8, 8), 2, 4, is_whole=True),
    Case("snail", partial(PixelSNAIL, CODES, (10, 10), width=64, blocks=2), (10, 10), 1, 15),
)


def main() -> None:
    """Time every case, and one volume."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tree = {
        "machine": machine(),
        "threads": 1,
        "compared": [_compared(case) for case in CASES],
        "volume": _volume(),
    }
    text = json.dumps(tree, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


@torch.no_grad()
def _compared(case: Case) -> dict[str, Any]:
    """Both ways on the same grids and random numbers."""
    prior, codes, chance, threshold = _world(case)
    fast, fast_seconds = _timed(restore, prior, codes, threshold, chance)
    same: bool | None = None
    if case.is_whole:
        slow, slow_seconds = _timed(restore_by_recomputing, prior, codes, threshold, chance)
        same = torch.equal(fast, slow)
    else:
        slow_seconds = _recomputing(prior, fast.flatten(0, 1))
    return {
        "prior": case.name,
        "weights": sum(p.numel() for p in prior.parameters()),
        "grid": case.grid,
        "slices": case.slices,
        "restorations": case.samples,
        "codes_changed": round(float((fast != codes[:, None]).float().mean()), 4),
        "both_ways_give_the_same_codes": same,
        "seconds": round(fast_seconds, 2),
        "seconds_by_recomputing": round(slow_seconds, 2),
        "times_faster": round(slow_seconds / fast_seconds, 1),
    }


@torch.no_grad()
def _volume() -> dict[str, Any]:
    """A volume of 32 slices at 160 x 160: codes to 15 restored pictures a slice."""
    build = partial(CausalTransformer, CODES, (20, 20))
    case = Case("transformer", build, (20, 20), 32, 15)
    prior, codes, chance, threshold = _world(case)
    restored, seconds = _timed(restore, prior, codes, threshold, chance)
    decoder = Decoder(1, widths=(32, 64, 128), blocks=1, stem=2, located=False).eval()
    table = torch.randn(CODES, 128)
    start = time.process_time()
    for grids in restored:
        decoder(table[grids].permute(0, 3, 1, 2))
    return {
        "slices": 32,
        "restorations": 15,
        "grid": (20, 20),
        "seconds_restoring": round(seconds, 2),
        "seconds_decoding": round(time.process_time() - start, 2),
    }


def _recomputing(prior: AbstractPrior, rows: Tensor) -> float:
    """Seconds for the whole grid of every row, once for each place."""
    start = time.process_time()
    for _ in range(TIMED):
        prior(rows)
    return (time.process_time() - start) * rows[0].numel() / TIMED


def _world(case: Case) -> tuple[AbstractPrior, Tensor, Tensor, float]:
    """A prior, grids of codes, random numbers and a threshold."""
    torch.manual_seed(0)
    prior = case.build().eval()
    for parameter in prior.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    codes = torch.randint(CODES, (case.slices, *case.grid))
    chance = torch.rand(case.samples, codes[0].numel())
    nll = code_nll(prior(codes).permute(0, 2, 3, 1), codes)
    return prior, codes, chance, float(nll.flatten()[:100_000].quantile(1 - SHARE))


def _timed(
    way: Callable[..., Tensor],
    prior: AbstractPrior,
    codes: Tensor,
    threshold: float,
    chance: Tensor,
) -> tuple[Tensor, float]:
    start = time.process_time()
    found = way(prior, codes, threshold=threshold, chance=chance)
    return found, time.process_time() - start


if __name__ == "__main__":
    main()
