"""HGAD: the objective and the score of METHODS §2, with any number of classes of any size."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from normalis.detectors.contract import PictureShapes
from normalis.detectors.hgad.build import build_hgad
from normalis.detectors.hgad.detector import HGAD
from normalis.detectors.hgad.level import MixtureLevel, draw_places, even_places
from normalis.detectors.hgad.settings import HGADSettings
from normalis.detectors.levels import upsample
from normalis.detectors.records import Batch, top_mean
from normalis.detectors.whitened import whitened_levels
from normalis.errors import SettingsError
from normalis.nn.blur import gaussian_blur
from small_world import FOUR_MAPS, begin, made_maps

SMALL = HGADSettings(
    blocks=3, hidden=8, position_width=4, descriptor=8, centres=3, places=5, memory=8
)
FORMS: dict[str, HGADSettings] = {
    "default": SMALL,
    "raw features": replace(SMALL, whitening="none", memory=0),
    "whitened alike": replace(SMALL, whitening="global"),
    "one Gaussian": replace(SMALL, mixture=False),
    "one centre": replace(SMALL, centres=1),
    "paper's network": replace(SMALL, hidden=0, subnet_norm=False, places=0),
    "levels": replace(
        SMALL, levels=(1,), memory_levels=(2, 0), neighbourhood=(1, 3), image_score="levels"
    ),
}
FEW_CHANNELS = PictureShapes((16, 16), ((4, 4, 4), (6, 2, 2)))

every_form = pytest.mark.parametrize("name", FORMS)


def made_hgad(name: str = "default", *, concepts: int = 3, **changes: Any) -> HGAD:
    """A detector over the three products of the small world, its flows not the identity."""
    settings = replace(FORMS[name], **changes)
    detector = build_hgad(settings, FOUR_MAPS, concepts=concepts, seed=0)
    begin(detector, made_maps(24))
    return detector


def ready(name: str = "default") -> HGAD:
    detector = made_hgad(name).eval()
    detector.set_scale([made_maps(12, seed=1)])
    return detector


def levels_of(detector: HGAD) -> list[MixtureLevel]:
    return [level for level in detector.flows if isinstance(level, MixtureLevel)]


def rows(maps: list[Tensor], index: list[int]) -> list[Tensor]:
    return [level[index] for level in maps]


# --- a score is a function of one picture ---


@every_form
def test_a_score_is_the_same_alone_and_in_any_batch(name: str) -> None:
    detector, maps = ready(name), made_maps(8, seed=2)
    together, paper = detector.score(maps), detector.paper_scores(maps)
    assert together.probability is not None
    for i in range(8):
        alone, alone_paper = detector.score(rows(maps, [i])), detector.paper_scores(rows(maps, [i]))
        assert alone.probability is not None
        assert int(together.concept[i]) == int(alone.concept[0])
        for whole, one in (
            (together.maps, alone.maps),
            (together.image, alone.image),
            (together.probability, alone.probability),
            (paper.additive, alone_paper.additive),
            (paper.image, alone_paper.image),
        ):
            torch.testing.assert_close(whole[i], one[0], rtol=1e-3, atol=1e-4)


@every_form
def test_maps_lie_on_the_prepared_pictures_grid(name: str) -> None:
    scores = ready(name).score(made_maps(3))
    assert scores.maps.shape == (3, 32, 32)
    assert scores.maps.isfinite().all()
    assert scores.image.shape == scores.concept.shape == (3,)


def test_a_strange_picture_scores_higher_than_normal_ones_and_there() -> None:
    detector, maps = ready(), made_maps(9, seed=2)
    for level, (_, h, w) in zip(maps, FOUR_MAPS.maps, strict=True):
        level[0, :, h // 2 :, w // 2 :] += 6.0
    scores = detector.score(maps)
    assert float(scores.image[0]) > float(scores.image[1:].max())
    assert float(scores.maps[0, 20:, 20:].mean()) > float(scores.maps[0, :12, :12].mean())


@torch.no_grad()
def test_the_score_without_a_label_is_the_log_sum_over_classes() -> None:
    detector, maps = ready("whitened alike"), made_maps(4, seed=2)
    level = levels_of(detector)[0]
    z, log_det = detector.whitening[0](maps[0], torch.zeros(4, dtype=torch.long))
    latent = level(z, log_det)
    weight = 1 / len(level.mixture.main)
    of_class = [
        weight * (-8 * level.energy_of_class(latent, torch.full((4,), y)).double()).exp()
        for y in range(3)
    ]
    expected = -torch.stack(of_class).sum(0).log() / 8
    level.mixture.class_logits.zero_()
    torch.testing.assert_close(level.energy(latent).double(), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_memory_is_asked_for_its_own_map_and_neighbourhood() -> None:
    """Of maps without a flow too, whose whitening comes after those of the flows."""
    detector, maps = ready("levels"), made_maps(6, seed=2)
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


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"memory_levels": (0, 4)}, "memory_levels"),
        ({"neighbourhood": (1, 3)}, "neighbourhood has 2 numbers for 3"),
        ({"neighbourhood": 2}, "neighbourhood"),
        ({"levels": (4,)}, "levels"),
    ],
)
def test_levels_that_do_not_fit_are_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=f"hgad.{words}"):
        made_hgad(**changes)


# --- the objective ---


@torch.no_grad()
@every_form
def test_the_loss_is_the_formula(name: str) -> None:
    detector, maps = made_hgad(name).eval(), made_maps(6, seed=3)
    label = torch.arange(6) % 3
    settings = FORMS[name]
    early, late = detector.loss(Batch(maps, label, 0.0)), detector.loss(Batch(maps, label, 0.5))
    terms = {term.name: float(term.value) for term in early.terms}
    first = (
        terms["inter"]
        - settings.information * terms["information"]
        + settings.entropy * terms["entropy"]
    )
    assert float(early.total) == pytest.approx(first, rel=1e-4, abs=1e-4)
    second = first + terms["intra"] + terms["likelihood"]
    assert float(late.total) == pytest.approx(second, rel=1e-4, abs=1e-4)


def test_the_classes_own_centres_learn_in_the_second_stage_alone() -> None:
    for done, learns in ((0.0, False), (0.5, True)):
        detector = made_hgad(first_stage=0.1)
        detector.loss(Batch(made_maps(6), torch.arange(6) % 3, done)).total.backward()
        for level in levels_of(detector):
            moved = [level.mixture.deltas.grad, level.mixture.centre_logits.grad]
            assert [g is not None and bool(g.abs().sum() > 0) for g in moved] == [learns] * 2
            assert level.mixture.main.grad is not None
            assert float(level.mixture.main.grad.abs().sum()) > 0


def test_what_the_centre_is_moved_by_is_not_learned_from() -> None:
    """Features whitened by class start at its main centre, which learns from the latents alone."""
    detector, label = made_hgad(information=0.0, entropy=0.0), torch.arange(6) % 3
    level = levels_of(detector)[0]
    x = torch.randn(6, 8, 4, 4)
    assert not level.moved(x, label).requires_grad
    torch.testing.assert_close(
        level.moved(x, label), x + level.mixture.main[label][:, :, None, None]
    )


def test_centres_learn_faster_and_without_decay() -> None:
    detector = made_hgad(centre_rate=3.0)
    flows, mixtures = detector.parameter_groups()
    assert (flows.rate, flows.decay) == (1.0, True)
    assert (mixtures.rate, mixtures.decay) == (3.0, False)
    grouped = [*flows.parameters, *mixtures.parameters]
    assert {id(p) for p in grouped} == {id(p) for p in detector.parameters()}
    assert len(grouped) == len(list(detector.parameters()))


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


# --- classes ---


@torch.no_grad()
def test_a_flow_that_has_learned_nothing_leaves_features_at_their_classs_centre() -> None:
    detector = build_hgad(SMALL, FOUR_MAPS, concepts=3, seed=0)
    maps = made_maps(24)
    detector.initialise(lambda: iter([maps]), seed=0, label=torch.arange(24) % 3)
    label = torch.tensor([2])
    level = levels_of(detector)[1]
    z, log_det = detector.whitening[1](maps[1][2:3], label)
    moved = level.moved(z, label)
    torch.testing.assert_close(level(moved, log_det).z, moved, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("told", [True, False], ids=["told", "found"])
def test_a_picture_is_named_after_its_class(told: bool) -> None:  # noqa: FBT001
    detector = build_hgad(SMALL, FOUR_MAPS, concepts=3, seed=0)
    maps = made_maps(24)
    label = torch.arange(24) % 3
    detector.initialise(lambda: iter([maps]), seed=0, label=label if told else None)
    detector.eval().set_scale([made_maps(12, seed=1)])
    scores = detector.score(made_maps(9, seed=2))
    names = scores.concept.tolist()
    assert names[:3] * 3 == names
    assert len(set(names)) == 3
    if told:
        assert names[:3] == [0, 1, 2]
    assert scores.probability is not None
    assert float(scores.probability.min()) > 0.9
    assert float(scores.probability.max()) <= 1.0


@pytest.mark.parametrize("classes", [1, 15, 40, 200])
def test_any_number_of_classes_of_any_size(classes: int) -> None:
    """More classes than channels too, and one with a single picture among large ones."""
    settings = replace(SMALL, information=1.0, memory=4, places=0)
    detector = build_hgad(settings, FEW_CHANNELS, concepts=classes, seed=0)
    generator = torch.Generator().manual_seed(1)
    label = torch.cat([torch.zeros(40, dtype=torch.long), torch.arange(classes)])
    centres = [3 * torch.randn(classes, *shape, generator=generator) for shape in FEW_CHANNELS.maps]
    maps = [c[label] + torch.randn(len(label), *c.shape[1:], generator=generator) for c in centres]
    detector.initialise(lambda: iter([maps]), seed=0, label=label)
    optimizer = torch.optim.Adam(detector.parameters(), lr=5e-3)
    losses: list[float] = []
    for step in range(12):
        total = detector.train().loss(Batch(maps, label, step / 12)).total
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses += [float(total.detach())]
    assert losses[11] < losses[1]  # the second stage begins with the second step
    detector.eval().set_scale([maps])
    scores = detector.score(maps)
    assert scores.image.isfinite().all()
    assert float((scores.concept == label).float().mean()) > 0.9


def test_other_categories_than_clusters_can_be_told() -> None:
    """Two products that are one class to the user stay one class."""
    detector = build_hgad(SMALL, FOUR_MAPS, concepts=2, seed=0)
    maps = made_maps(24)
    detector.initialise(lambda: iter([maps]), seed=0, label=(torch.arange(24) % 3).clamp_max(1))
    assert detector.eval().concepts(made_maps(6, seed=2)).tolist() == [0, 1, 1] * 2
