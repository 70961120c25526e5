"""Laws of every prior: causality, normalisation, learning; and the cache of the transformer."""

from math import prod

import pytest
import torch
import torch.nn.functional as F
from prior_samples import CODES, ROWS, Build, made_codes, made_prior

from normalis.prior import AbstractPrior, CausalTransformer, PixelSNAIL, code_nll

EVERY = pytest.mark.parametrize("build", ROWS.values(), ids=ROWS)


def change_at(prior: AbstractPrior, grid: tuple[int, int], place: int) -> torch.Tensor:
    """How much the logits at each place change when the code at one place does."""
    codes = made_codes(2, grid)
    other = codes.clone().flatten(1)
    other[:, place] = (other[:, place] + 3) % CODES
    with torch.no_grad():
        moved = prior(codes) - prior(other.view_as(codes))
    return moved.flatten(2).abs().amax((0, 1))


@EVERY
@pytest.mark.parametrize("grid", [(6, 5), (4, 7)])
def test_a_code_depends_on_none_at_or_behind_it(build: Build, grid: tuple[int, int]) -> None:
    prior = made_prior(build, grid)
    for place in range(prod(grid)):
        change = change_at(prior, grid, place)
        assert float(change[: place + 1].max()) == pytest.approx(0, abs=1e-6)


@EVERY
def test_nor_on_a_grid_whose_attention_is_coarser(build: Build) -> None:
    grid = (17, 16)
    prior = made_prior(build, grid)
    for place in range(0, prod(grid), 5):
        change = change_at(prior, grid, place)
        assert float(change[: place + 1].max()) == pytest.approx(0, abs=1e-6)


@EVERY
def test_a_code_depends_on_those_before_it(build: Build) -> None:
    """On the one before in its row, the one above, and one far away."""
    grid = (6, 5)
    prior = made_prior(build, grid)
    for place in range(prod(grid) - 5):
        change = change_at(prior, grid, place)
        assert float(change[place + 5]) > 1e-5
        assert place % 5 == 4 or float(change[place + 1]) > 1e-5
    assert float(change_at(prior, grid, 0)[-1]) > 1e-6


@EVERY
def test_the_likelihood_sums_to_one_over_all_grids(build: Build) -> None:
    """Every grid of 2 x 2 places, one after another."""
    prior = made_prior(build, (2, 2))
    every = torch.cartesian_prod(*[torch.arange(CODES)] * 4).view(-1, 2, 2)
    with torch.no_grad():
        nll = code_nll(prior(every).permute(0, 2, 3, 1), every)
    assert float((-nll.sum((1, 2))).exp().sum()) == pytest.approx(1, rel=1e-4)


@EVERY
def test_it_learns_what_follows_what(build: Build) -> None:
    """Each code is the one before plus one: after a few steps that is nearly certain."""
    torch.manual_seed(0)
    prior = build((4, 4)).train()
    start = torch.arange(CODES)[:, None]
    codes = ((start + torch.arange(16)) % CODES).view(-1, 4, 4)
    optimizer = torch.optim.Adam(prior.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(prior(codes), codes).backward()
        optimizer.step()
    with torch.no_grad():
        nll = code_nll(prior.eval()(codes).permute(0, 2, 3, 1), codes)
    assert float(nll.flatten(1)[:, 1:].mean()) < 0.3


@EVERY
def test_every_parameter_learns(build: Build) -> None:
    grid = (5, 4)
    prior = made_prior(build, grid, located=True)
    codes = made_codes(3, grid)
    F.cross_entropy(prior(codes, torch.tensor([-0.5, 0.0, 0.5])), codes).backward()
    still = [n for n, p in prior.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert still == []


@EVERY
def test_the_position_of_a_slice_matters_where_slices_have_one(build: Build) -> None:
    codes = made_codes(2, (4, 4))
    prior = made_prior(build, (4, 4), located=True)
    with torch.no_grad():
        low, high = (prior(codes, torch.full((2,), t)) for t in (-0.5, 0.5))
    assert not torch.allclose(low, high)
    with pytest.raises(AssertionError, match="positions"):
        prior(codes)


@EVERY
@pytest.mark.parametrize("width", [1, 5])
def test_a_reader_says_what_the_whole_grid_says(build: Build, width: int) -> None:
    """Rows that keep no step with each other, from start to end; the cache to 1e-5."""
    grid = (5, 6)
    prior = made_prior(build, grid)
    codes = made_codes(2, grid)
    rows = codes.repeat_interleave(2, 0).flatten(1)
    whole = prior(codes).flatten(2).mT.repeat_interleave(2, 0)
    with torch.no_grad():
        reader = prior.reader(codes, copies=2)
        torch.testing.assert_close(reader.first, whole[::2], rtol=1e-5, atol=1e-5)
        for first in range(0, 30, width):
            start = (torch.tensor([first, first - 2, first - 4, first])).clamp_min(0)
            found = reader.ask(rows, start, width=width)
            for row in range(4):
                wanted = whole[row, int(start[row]) : int(start[row]) + width]
                given = found[row, : len(wanted)]
                torch.testing.assert_close(given, wanted, rtol=1e-5, atol=1e-5)


@EVERY
def test_a_reader_follows_changes_and_forgets_rows(build: Build) -> None:
    grid = (4, 5)
    prior = made_prior(build, grid, located=True)
    codes, position = made_codes(3, grid), torch.tensor([-0.5, 0.0, 0.4])
    with torch.no_grad():
        reader = prior.reader(codes, position, copies=1)
        reader.keep(torch.tensor([2, 0]))
        rows = codes[[2, 0]].flatten(1)
        rows[:, 7] = (rows[:, 7] + 1) % CODES
        found = reader.ask(rows, torch.tensor([8, 8]), width=6)
        whole = prior(rows.view(2, *grid), position[[2, 0]]).flatten(2).mT
    torch.testing.assert_close(found, whole[:, 8:14], rtol=1e-5, atol=1e-5)


def test_the_published_size() -> None:
    """4 blocks of 4 pairs of 128 channels over 128 codes on 20 x 20: some 13 million weights."""
    weights = sum(p.numel() for p in PixelSNAIL(128, (20, 20)).parameters())
    assert 12e6 < weights < 14e6
    fast = sum(p.numel() for p in CausalTransformer(128, (20, 20)).parameters())
    assert fast < 1e6
