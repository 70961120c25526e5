"""Grain: noise is found where it is foreign, edges and exposure are not; and coarser restoring."""

import pytest
import torch
from lsr_samples import made_maps, small_lsr, trained_lsr
from torch import Tensor

from normalis.detectors.build import build_detector
from normalis.detectors.contract import PictureShapes
from normalis.detectors.lsr.detector import LSR
from normalis.detectors.lsr.grain import Grain, graininess
from normalis.errors import SettingsError

ONE = torch.ones(1, 1, 1)


def noise(*, spread: float = 1.0, side: int = 32) -> Tensor:
    return spread * torch.randn(1, side, side, generator=torch.Generator().manual_seed(0))


def smooth() -> Tensor:
    """Waves with as large a spread as the noise."""
    grid = torch.linspace(0, 12, 32)
    return (grid.sin()[:, None] + grid.cos())[None]


def test_noise_in_a_smooth_picture_is_found_though_it_is_no_brighter() -> None:
    grey = smooth()
    grey[:, 12:24, 12:24] = noise()[:, 12:24, 12:24] * grey.std() + grey.mean()
    grain = graininess(grey, ONE, side=5)
    inside = grain[:, 14:22, 14:22]
    outside = torch.cat([grain[:, :9].flatten(), grain[:, 27:].flatten()])
    assert float(inside.min()) > 2 * float(outside.max())


def test_an_edge_along_a_side_has_no_grain() -> None:
    upright = torch.zeros(1, 32, 32)
    upright[:, :, 16:] = 5
    assert float(graininess(upright, ONE, side=5).max()) < 1e-5


def test_exposure_changes_no_grain() -> None:
    torch.testing.assert_close(
        graininess(3 * noise(), 3 * ONE, side=5), graininess(noise(), ONE, side=5)
    )


def test_what_is_nearly_flat_is_not_grainy() -> None:
    """Rounding of a picture's values is no texture."""
    faint, strong = (graininess(noise(spread=s), ONE, side=5) for s in (0.01, 1.0))
    assert float(faint.mean()) < 0.1 * float(strong.mean())


def test_both_maps_count_in_units_of_what_is_usual() -> None:
    grain = Grain(0.5, 3)
    ramp = torch.linspace(0, 1, 101).view(1, 1, 101)
    grain.learn([(10 * ramp, 2 * ramp), (20 * ramp, 4 * ramp)])
    torch.testing.assert_close(grain.usual, torch.tensor([14.85, 2.97]))
    joined = grain(14.85 * torch.ones(1, 1, 1), 2.97 * torch.ones(1, 1, 1))
    torch.testing.assert_close(joined, torch.full((1, 1, 1), 1.5))


@pytest.fixture(scope="module")
def grainy() -> LSR:
    return trained_lsr(small_lsr(grain=1.0), steps=5)


def test_the_units_are_those_of_held_out_pictures(grainy: LSR) -> None:
    """Both maps of normal pictures reach 1 in a hundredth of their pixels."""
    assert grainy.grain is not None
    units = grainy.grain.usual
    assert units.gt(0).all()
    plain = trained_lsr(small_lsr(), steps=5)
    held_out = [made_maps(8, seed=s) for s in range(50, 56)]
    maps = torch.cat([plain.score(some).maps for some in held_out])
    torch.testing.assert_close(units[0], maps.flatten(1).quantile(0.99, 1).mean())


def test_the_map_is_that_of_restoration_and_that_of_the_grain(grainy: LSR) -> None:
    plain = trained_lsr(small_lsr(), steps=5)
    maps = made_maps(4, seed=70, mark=True)
    assert grainy.grain is not None
    grain = grainy.grain.measure(maps[0], maps[0], scale=grainy.scale)
    wanted = grainy.grain(plain.score(maps).maps, grain)
    torch.testing.assert_close(grainy.score(maps).maps, wanted)
    assert torch.equal(grainy.score(maps).image, plain.score(maps).image)


def test_what_is_restored_is_the_mean_over_squares() -> None:
    """A picture twice as large, each pixel four times, is what the smaller one is."""
    small = trained_lsr(small_lsr(), steps=5)
    large = build_detector(
        small_lsr(shrink=2), PictureShapes((32, 32), ((1, 32, 32),)), concepts=1, seed=0
    ).eval()
    large.load_state_dict(small.state_dict())
    maps = made_maps(4, mark=True)
    whole = [x.repeat_interleave(2, 2).repeat_interleave(2, 3) for x in maps]
    torch.testing.assert_close(large.score(whole).image, small.score(maps).image)
    assert large.score(whole).maps.shape == (4, 32, 32)


def test_features_have_no_grain() -> None:
    features = PictureShapes((32, 32), ((5, 8, 8),))
    with pytest.raises(SettingsError, match=r"lsr\.grain is 1\.0"):
        build_detector(small_lsr(grain=1.0), features, concepts=1, seed=0)
