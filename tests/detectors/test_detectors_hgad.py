"""HGAD: the objective and the score of METHODS §2, with any number of classes of any size."""

from dataclasses import replace

import pytest
import torch
from hgad_forms import FORMS, SMALL, levels_of, made_hgad, ready
from torch import Tensor

from normalis.detectors.contract import PictureShapes
from normalis.detectors.hgad.build import build_hgad
from normalis.detectors.records import Batch
from small_world import FOUR_MAPS, made_maps

FEW_CHANNELS = PictureShapes((16, 16), ((4, 4, 4), (6, 2, 2)))

every_form = pytest.mark.parametrize("name", FORMS)


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
def test_a_score_is_made_of_the_parts(name: str) -> None:
    detector, maps = ready(name), made_maps(3, seed=2)
    parts, guess = detector.parts(maps)
    scores = detector.score(maps)
    assert len(parts) == len(detector.flows) + 2 * len(detector.memories), "by code, and not"
    total, image = detector.form(parts)
    torch.testing.assert_close(total, scores.maps)
    torch.testing.assert_close(image, scores.image)
    torch.testing.assert_close(guess.concept, scores.concept)


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
