"""A level of HGAD: the places that are looked at, and the maps that are remembered."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from hgad_forms import SMALL, levels_of, made_hgad, ready
from torch.nn.functional import avg_pool2d

from normalis.detectors.contract import PictureShapes
from normalis.detectors.hgad.build import build_hgad
from normalis.detectors.hgad.level import draw_places, even_places
from normalis.detectors.levels import upsample
from normalis.detectors.records import Batch, top_mean
from normalis.detectors.whitened import whitened_levels
from normalis.errors import SettingsError
from normalis.nn.blur import gaussian_blur
from small_world import begin, made_maps

# --- places ---


@torch.no_grad()
def test_a_step_looks_at_places_that_depend_on_its_time_alone() -> None:
    detector, maps = made_hgad(places=3), made_maps(6, seed=3)
    again = [float(detector.loss(Batch(maps, None, done)).total) for done in (0.3, 0.3, 0.4)]
    assert again[0] == again[1] != again[2]
    held_out = [float(detector.eval().loss(Batch(maps, None, done)).nll) for done in (0.3, 0.4)]
    assert held_out[0] == held_out[1]


def test_drawn_places_are_different_positions() -> None:
    generator = torch.Generator().manual_seed(0)
    places = draw_places(50, (3, 4), most=5, generator=generator)
    assert places is not None
    assert places.shape == (50, 5)
    assert all(len(set(row)) == 5 for row in places.tolist())
    assert set(places.flatten().tolist()) == set(range(12))
    assert draw_places(50, (3, 4), most=12, generator=generator) is None
    assert draw_places(50, (3, 4), most=0, generator=generator) is None


@pytest.mark.parametrize("grid", [(28, 28), (40, 25), (3, 200), (1, 500), (11, 11)])
def test_even_places_are_a_lattice_over_the_whole_grid(grid: tuple[int, int]) -> None:
    places = even_places(grid, most=100)
    assert places is not None
    count = len(places)
    assert len(set(places.tolist())) == count <= (100 if min(grid) > 2 else 200)
    rows, columns = (
        sorted(set(axis)) for axis in ((places // grid[1]).tolist(), (places % grid[1]).tolist())
    )
    assert len(rows) * len(columns) == count
    for axis, side in ((rows, grid[0]), (columns, grid[1])):
        gaps = {b - a for a, b in pairwise(axis)}
        assert len(gaps) <= 1, "evenly"
        rest = axis[0], side - 1 - axis[-1]
        assert 0 <= rest[1] - rest[0] <= 1, "and in the middle"
    assert even_places((10, 10), most=100) is None


@torch.no_grad()
def test_some_places_of_a_fine_grid_name_the_class_that_all_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes = PictureShapes((32, 32), ((8, 12, 12), (10, 4, 4)))
    detector = build_hgad(replace(SMALL, levels=(0,)), shapes, concepts=3, seed=0)
    begin(detector, made_maps(24, shapes))
    detector.eval().set_scale([made_maps(12, shapes, seed=1)])
    maps = made_maps(6, shapes, seed=2)
    some = detector.score(maps)
    monkeypatch.setattr("normalis.detectors.hgad.detector.ASKED_PLACES", 144)
    every = detector.score(maps)
    assert torch.equal(some.concept, every.concept)
    assert torch.equal(some.maps, every.maps)
    assert some.probability is not None
    assert every.probability is not None
    assert not torch.equal(some.probability, every.probability), "fewer were asked"
    assert torch.allclose(some.probability, every.probability, atol=0.1)


# --- memories ---


@torch.no_grad()
def test_a_memory_is_asked_for_its_own_map_and_neighbourhood() -> None:
    """Of maps without a flow too, whose whitening comes after those of the flows."""
    detector = ready("levels", memory_by_code=False, flow_weight=1.0)
    maps = made_maps(6, seed=2)
    concept = detector.concepts(maps)
    order = whitened_levels(detector.levels, detector.remembered)
    (level,) = levels_of(detector)
    z, log_det = detector.whitening[0](maps[1], concept)
    energies = [level.energy(level(level.moved(z, concept), log_det))]
    for memory, i, side in zip(detector.memories, detector.remembered, (1, 3), strict=True):
        z, _ = detector.whitening[order.index(i)](maps[i], concept)
        around = avg_pool2d(z, side, stride=1, padding=side // 2, count_include_pad=False)
        energies.append(memory(around, concept))
    standard = detector.scale.each(energies, concept=concept)
    parts = [upsample(part, detector.form.size) for part in standard]
    scores = detector.score(maps)
    torch.testing.assert_close(scores.maps, gaussian_blur(torch.stack(parts).mean(0), 4.0))
    tops = [top_mean(gaussian_blur(part, 4.0), detector.form.top_share) for part in parts]
    torch.testing.assert_close(scores.image, torch.stack(tops).mean(0))


@torch.no_grad()
def test_a_flow_counts_as_much_as_it_is_told_and_the_map_stays() -> None:
    maps = made_maps(6, seed=2)
    (half, one), (light, _) = (
        (detector.score(maps), detector.parts(maps)[0])
        for detector in (ready(flow_weight=1.0), ready(flow_weight=1e-6))
    )
    torch.testing.assert_close(light.maps, half.maps)
    flows = len(ready().flows)
    others = [torch.zeros_like(part) for part in one[:flows]]
    alone, _ = ready().form([*others, *one[flows : 2 * flows]])
    tops = top_mean(alone * 2, ready().form.top_share)
    torch.testing.assert_close(light.image, tops, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"memory_levels": (0, 4)}, "memory_levels"),
        ({"neighbourhood": (1, 3)}, "neighbourhood has 2 numbers for 3"),
        ({"neighbourhood": 2}, "neighbourhood"),
        ({"levels": (4,)}, "levels"),
        ({"flow_weight": 0.0}, "flow_weight is 0.0; more than 0"),
    ],
)
def test_levels_that_do_not_fit_are_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=f"hgad.{words}"):
        made_hgad(**changes)
