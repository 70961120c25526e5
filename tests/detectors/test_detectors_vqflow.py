"""VQ-Flow: a score is a function of one picture, and the loss is the formula of METHODS §1.6."""

import pytest
import torch
from detector_forms import FORMS, ready
from torch import Tensor
from torch.nn.functional import avg_pool2d

from normalis.detectors.contract import PictureShapes
from normalis.detectors.records import Batch, Losses
from normalis.detectors.vqflow.condition import PositionConditioner
from normalis.detectors.whitened import whitened_levels
from normalis.flows import coupling
from normalis.mixtures.located_gaussian import LocatedGaussian
from normalis.quantize.ema import EMAQuantizer
from small_world import FOUR_MAPS, made_detector, made_maps, small_settings


def commitment_of(losses: Losses) -> Tensor:
    (term,) = losses.terms
    assert term.name == "commitment"
    return term.value


def rows(maps: list[Tensor], index: list[int]) -> list[Tensor]:
    return [level[index] for level in maps]


# --- a score is a function of one picture ---


@pytest.mark.parametrize("name", FORMS)
def test_a_score_is_the_same_alone_and_in_any_batch(name: str) -> None:
    detector, maps = ready(FORMS[name]), made_maps(8, seed=2)
    together, paper = detector.score(maps), detector.paper_scores(maps)
    shuffle = [5, 2, 7, 0, 3, 6, 1, 4]
    mixed, mixed_paper = (
        detector.score(rows(maps, shuffle)),
        detector.paper_scores(rows(maps, shuffle)),
    )
    for place, i in enumerate(shuffle):
        alone, alone_paper = detector.score(rows(maps, [i])), detector.paper_scores(rows(maps, [i]))
        for batch, at in ((together, i), (mixed, place)):
            assert int(batch.concept[at]) == int(alone.concept[0])
            torch.testing.assert_close(batch.maps[at], alone.maps[0], rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(batch.image[at], alone.image[0], rtol=1e-4, atol=1e-4)
        for batch, at in ((paper, i), (mixed_paper, place)):
            for whole, one in (
                (batch.additive, alone_paper.additive),
                (batch.multiplicative, alone_paper.multiplicative),
                (batch.image, alone_paper.image),
            ):
                torch.testing.assert_close(whole[at], one[0], rtol=1e-3, atol=1e-4)


def test_a_score_does_not_depend_on_what_was_scored_before() -> None:
    detector, maps = ready(FORMS["default"]), made_maps(8, seed=2)
    first = detector.score(rows(maps, [0]))
    detector.score(maps)
    again = detector.score(rows(maps, [0]))
    assert torch.equal(first.maps, again.maps)
    assert torch.equal(first.image, again.image)


def test_a_strange_picture_scores_higher_than_normal_ones_and_there() -> None:
    detector, maps = ready(FORMS["default"]), made_maps(9, seed=2)
    for level, (_, h, w) in zip(maps, FOUR_MAPS.maps, strict=True):
        level[0, :, h // 2 :, w // 2 :] += 6.0
    scores = detector.score(maps)
    assert float(scores.image[0]) > float(scores.image[1:].max())
    assert float(scores.maps[0, 20:, 20:].mean()) > float(scores.maps[0, :12, :12].mean())


@pytest.mark.parametrize("name", FORMS)
def test_maps_lie_on_the_prepared_pictures_grid(name: str) -> None:
    scores = ready(FORMS[name]).score(made_maps(3))
    assert scores.maps.shape == (3, 32, 32)
    assert scores.maps.dtype == torch.float32
    assert scores.maps.isfinite().all()
    assert scores.image.shape == scores.concept.shape == (3,)


# --- the loss ---


@torch.no_grad()
@pytest.mark.parametrize("name", FORMS)
def test_the_loss_is_the_formula(name: str) -> None:
    detector, maps = made_detector(FORMS[name]), made_maps(6, seed=3)
    detector.eval()
    losses = detector.loss(Batch(maps))
    latents = detector.latents(maps)
    zs, log_dets, condition = latents.z, latents.log_dets, latents.condition
    per_picture = [
        sum(
            0.5 * float((z[b] ** 2).sum()) - float(j[b].sum())
            for z, j in zip(zs, log_dets, strict=True)
        )
        for b in range(6)
    ]
    dimensions = sum(c * h * w for c, h, w in (FOUR_MAPS.maps[i] for i in detector.levels))
    expected = sum(per_picture) / 6 / (dimensions if FORMS[name].per_dimension else 1)
    assert float(losses.nll.detach()) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert torch.equal(commitment_of(losses), condition.commitment)
    assert torch.isfinite(losses.total)
    assert float(losses.total.detach()) == pytest.approx(
        float(losses.nll.detach()) + float(commitment_of(losses).detach()), rel=1e-5
    )


def test_the_commitment_is_that_of_every_codebook() -> None:
    detector, maps = made_detector(), made_maps(6, seed=3)
    detector.eval()
    losses = detector.loss(Batch(maps))
    books = [part for part in detector.modules() if isinstance(part, EMAQuantizer)]
    expected = sum(
        float((book.codes[a.codes] - a.inputs).square().mean())
        for book, a in zip(books, losses.assignments, strict=True)
    )
    assert float(commitment_of(losses).detach()) == pytest.approx(expected, rel=1e-4)
    assert [a.name for a in losses.assignments] == [
        "concept",
        "pattern 1",
        "pattern 2",
        "pattern 3",
        "pattern fusion",
    ]


def test_per_dimension_divides_by_the_number_of_dimensions() -> None:
    maps = made_maps(4, seed=3)
    whole = made_detector(small_settings(per_dimension=False)).eval().loss(Batch(maps))
    per_dimension = made_detector(small_settings(per_dimension=True)).eval().loss(Batch(maps))
    dimensions = sum(c * h * w for c, h, w in FOUR_MAPS.maps[:3])
    assert float(whole.nll.detach()) == pytest.approx(
        dimensions * float(per_dimension.nll.detach()), rel=1e-5
    )
    assert torch.equal(commitment_of(whole), commitment_of(per_dimension))


def test_the_log_determinant_is_that_of_the_whole_map() -> None:
    """Of all latents of a picture by all its features, by automatic differentiation."""
    shapes = PictureShapes((8, 8), ((3, 2, 2), (4, 1, 1)))
    settings = small_settings(condition="none", whitening="global")
    detector = made_detector(settings, shapes).eval()
    maps = [level[:1] for level in made_maps(24, shapes)]

    def flat(x: Tensor) -> Tensor:
        fine, coarse = x.split([12, 4])
        zs = detector.latents([fine.view(1, 3, 2, 2), coarse.view(1, 4, 1, 1)]).z
        return torch.cat([z.flatten() for z in zs])

    x = torch.cat([level.flatten() for level in maps])
    jacobian = torch.autograd.functional.jacobian(flat, x)
    assert isinstance(jacobian, Tensor)
    with torch.no_grad():
        total = sum(float(j.sum()) for j in detector.latents(maps).log_dets)
    assert total == pytest.approx(float(torch.linalg.slogdet(jacobian)[1]), abs=1e-3)


# --- whitening and conditions ---


def test_whitening_by_concept_knows_products_and_places() -> None:
    by_concept = made_detector(small_settings(whitening="concept"))
    everywhere = made_detector(small_settings(whitening="global"))
    for detector, concepts, grid in ((by_concept, 3, (8, 8)), (everywhere, 1, (1, 1))):
        first = detector.whitening[0]
        assert isinstance(first, LocatedGaussian)
        assert first.mean.shape == (concepts, 8, *grid)
    maps = made_maps(30, seed=7)
    left = {
        name: detector.whitening[0](maps[0], detector.concepts(maps))[0].reshape(10, 3, -1).mean(0)
        for name, detector in (("concept", by_concept), ("global", everywhere))
    }
    # What distinguishes a product's place from others is gone in the first form alone.
    assert float(left["concept"].abs().mean()) < 0.8 * float(left["global"].abs().mean())


@torch.no_grad()
def test_a_memory_is_asked_for_its_own_map_and_neighbourhood() -> None:
    settings = small_settings(levels=(1,), memory_levels=(2, 0), neighbourhood=(1, 3))
    detector, maps = made_detector(settings).eval(), made_maps(6, seed=2)
    parts, concept = detector.parts(maps)
    assert len(parts) == 3 + 2, "and of each memory once more, not by code"
    order = whitened_levels(detector.levels, detector.remembered)
    for k, (level, side) in enumerate(((2, 1), (0, 3))):
        z, _ = detector.whitening[order.index(level)](maps[level], concept)
        around = avg_pool2d(z, side, stride=1, padding=side // 2, count_include_pad=False)
        standard = detector.scale(detector.memories[k](around, concept), 1 + k, concept=concept)
        torch.testing.assert_close(parts[1 + k], standard)


def test_memories_that_count_by_code_judge_a_picture_and_leave_its_map() -> None:
    by_code, plain = (ready(small_settings(memory_by_code=by)) for by in (True, False))
    one, other = (detector.score(made_maps(6, seed=2)) for detector in (by_code, plain))
    torch.testing.assert_close(one.maps, other.maps)
    assert float((one.image - other.image).abs().max()) > 0.1


def test_without_codes_there_is_one_concept_and_nothing_to_update() -> None:
    detector = made_detector(small_settings(condition="none"))
    assert isinstance(detector.conditioner, PositionConditioner)
    assert detector.concepts(made_maps(5)).tolist() == [0] * 5
    assert detector.loss(Batch(made_maps(5))).assignments == ()
    assert len(detector.priors) == 0


@pytest.mark.parametrize("kernel", [1, 3])
def test_learning_in_parts_is_learning_from_everything_stacked(
    kernel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector, maps = made_detector(small_settings(kernel=kernel)).train(), made_maps(6)
    with torch.no_grad():
        for parameter in detector.parameters():
            chance = torch.Generator().manual_seed(parameter.numel())
            parameter.add_(torch.randn(parameter.shape, generator=chance), alpha=0.02)
    results: list[tuple[Tensor, ...]] = []
    for in_parts in (True, False):
        if not in_parts:
            monkeypatch.setattr(coupling, "is_pointwise", lambda _subnet: False)
        losses = detector.loss(Batch(maps))
        grads = torch.autograd.grad(losses.total, list(detector.parameters()))
        results.append((losses.total.detach(), *grads))
    for fast, slow in zip(*results, strict=True):
        assert float((fast - slow).norm()) <= 1e-4 * float(slow.norm()) + 1e-6


def test_the_position_alone_is_the_same_for_every_picture() -> None:
    detector = made_detector(small_settings(condition="position"))
    condition = detector.conditioner(made_maps(3))
    assert isinstance(condition.levels[0], Tensor)
    assert condition.levels[0].shape == (3, 4, 8, 8)
    assert torch.equal(condition.levels[0][0], condition.levels[0][2])


def test_codes_from_data_lie_nearer_than_random_ones() -> None:
    maps = made_maps(24)
    from_data, random = (
        made_detector(small_settings(data_codes=data_codes)).eval().loss(Batch(maps))
        for data_codes in (True, False)
    )
    assert float(commitment_of(from_data).detach()) < 0.5 * float(commitment_of(random).detach())
