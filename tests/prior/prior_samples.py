"""Small priors whose every part matters, and grids of codes."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from normalis.prior import AbstractPrior, CausalTransformer, PixelSNAIL

__all__ = ["CODES", "ROWS", "Build", "made_codes", "made_prior"]

CODES = 7

Build = Callable[..., AbstractPrior]


def _transformer(grid: tuple[int, int], **options: Any) -> AbstractPrior:
    return CausalTransformer(CODES, grid, width=16, depth=2, heads=2, **options)


def _snail(grid: tuple[int, int], **options: Any) -> AbstractPrior:
    return PixelSNAIL(CODES, grid, width=8, blocks=2, pairs=2, **options)


ROWS: Mapping[str, Build] = {"CausalTransformer": _transformer, "PixelSNAIL": _snail}


def made_prior(build: Build, grid: tuple[int, int], **options: Any) -> AbstractPrior:
    """In evaluation mode, its parameters all moved away from their start."""
    torch.manual_seed(0)
    prior = build(grid, **options).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return prior


def made_codes(count: int, grid: tuple[int, int], *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(CODES, (count, *grid), generator=generator)
