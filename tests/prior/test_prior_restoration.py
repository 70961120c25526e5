"""Restorations: the same codes as by their definition, and what they do and do not change."""

from typing import Any

import pytest
import torch
from prior_samples import ROWS, Build, made_codes, made_prior

from normalis.prior import AbstractPrior, code_nll, restore, restore_by_recomputing

EVERY = pytest.mark.parametrize("build", ROWS.values(), ids=ROWS)
GRID = (6, 5)


def chances(samples: int, *, seed: int = 0, places: int = 30) -> torch.Tensor:
    return torch.rand(samples, places, generator=torch.Generator().manual_seed(seed))


def threshold_of(prior: AbstractPrior, codes: torch.Tensor, share: float) -> float:
    """The likelihood that this share of the codes fall below."""
    with torch.no_grad():
        nll = code_nll(prior(codes).permute(0, 2, 3, 1), codes)
    return float(nll.quantile(1 - share))


@EVERY
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("count", [1, 6])
def test_it_gives_what_its_definition_gives(build: Build, share: float, count: int) -> None:
    prior, codes = made_prior(build, GRID), made_codes(count, GRID)
    threshold = threshold_of(prior, codes, share)
    given: dict[str, Any] = {"threshold": threshold, "chance": chances(3)}
    found = restore(prior, codes, **given)
    assert torch.equal(found, restore_by_recomputing(prior, codes, **given))
    assert not torch.equal(found, codes[:, None].expand_as(found))


@EVERY
def test_so_it_does_with_positions_and_more_rows_than_go_together(build: Build) -> None:
    prior, codes = made_prior(build, GRID, located=True), made_codes(5, GRID)
    position = torch.linspace(-0.5, 0.5, 5)
    given: dict[str, Any] = {"threshold": 2.0, "chance": chances(50), "position": position}
    found = restore(prior, codes, **given)
    assert torch.equal(found, restore_by_recomputing(prior, codes, **given))


@EVERY
def test_what_is_likely_stays(build: Build) -> None:
    prior, codes = made_prior(build, GRID), made_codes(3, GRID)
    found = restore(prior, codes, threshold=1000.0, chance=chances(4))
    assert torch.equal(found, codes[:, None].expand(-1, 4, -1, -1))


@EVERY
def test_a_picture_is_restored_alone_as_in_a_batch(build: Build) -> None:
    prior, codes = made_prior(build, GRID), made_codes(4, GRID)
    together = restore(prior, codes, threshold=2.2, chance=chances(3))
    alone = torch.cat(
        [restore(prior, one[None], threshold=2.2, chance=chances(3)) for one in codes]
    )
    assert torch.equal(together, alone)


@EVERY
def test_where_all_is_drawn_anew_the_codes_are_samples_of_the_prior(build: Build) -> None:
    """The first code's share among many samples is its probability."""
    prior, codes = made_prior(build, (2, 2)), made_codes(1, (2, 2))
    found = restore(prior, codes, threshold=-1.0, chance=chances(4000, places=4))
    with torch.no_grad():
        wanted = prior(codes)[0, :, 0, 0].softmax(0)
    share = torch.bincount(found[0, :, 0, 0], minlength=len(wanted)) / 4000
    assert float((share - wanted).abs().max()) < 0.03


def test_an_unlikely_code_is_mended() -> None:
    """A prior that is certain of one code everywhere gives it everywhere."""
    prior = made_prior(ROWS["CausalTransformer"], GRID)
    head = prior.get_submodule("head")
    with torch.no_grad():
        head.get_parameter("bias")[3] = 1000.0
    found = restore(prior, made_codes(2, GRID), threshold=5.0, chance=chances(2))
    assert (found == 3).all()
