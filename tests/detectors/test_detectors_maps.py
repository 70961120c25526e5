"""Maps: the published scores by their formula, and the scale of the absolute one."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, zoom
from torch import Tensor

from normalis.detectors.levels import LevelScale, MapForm, upsample
from normalis.detectors.records import top_mean
from normalis.detectors.vqflow.maps import paper_scores
from small_world import made_detector, made_maps


def energies(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [3 * torch.rand(4, side, side, generator=generator) for side in (8, 4, 2)]


def bilinear(values: np.ndarray, side: int) -> np.ndarray:
    """Bilinear with half-pixel centres, edges repeated."""
    factor = side // len(values)
    return np.asarray(zoom(values, factor, order=1, mode="nearest", grid_mode=True))


def test_paper_scores_are_the_formula() -> None:
    given = energies()
    scores = paper_scores(given, (16, 16), top_share=0.03)
    for b in range(4):
        likelihoods = [-e[b].double().numpy() for e in given]
        shares = sum(bilinear(np.exp(m - m.max()), 16) for m in likelihoods)
        summed = sum(bilinear(m, 16) for m in likelihoods)
        multiplicative = 1 - np.exp(summed - np.max(summed))
        highest = np.sort(multiplicative.ravel())[::-1][: round(0.03 * 256)]
        np.testing.assert_allclose(scores.additive[b], np.max(shares) - shares, atol=1e-5)
        np.testing.assert_allclose(scores.multiplicative[b], multiplicative, atol=1e-5)
        np.testing.assert_allclose(scores.image[b], highest.mean(), atol=1e-5)


def test_paper_scores_forget_how_unusual_a_picture_is() -> None:
    """The flaw that they are published with, and the absolute score does not have."""
    given = energies()
    shifted = [e + 5.0 for e in given]
    one, other = (paper_scores(e, (16, 16), top_share=0.03) for e in (given, shifted))
    torch.testing.assert_close(one.additive, other.additive, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(one.multiplicative, other.multiplicative, rtol=1e-4, atol=1e-5)


def test_paper_scores_come_from_the_latents() -> None:
    detector, maps = made_detector().eval(), made_maps(3)
    with torch.no_grad():
        zs = detector.latents(maps).z
    expected = paper_scores([z.square().mean(1) / 2 for z in zs], (32, 32), top_share=0.03)
    assert torch.equal(detector.paper_scores(maps).additive, expected.additive)


def test_upsampling_keeps_a_constant_and_the_order() -> None:
    ramp = torch.arange(4.0).repeat(1, 4, 1)
    constant = upsample(torch.full((2, 3, 5), 7.0), (9, 10))
    torch.testing.assert_close(constant, torch.full((2, 9, 10), 7.0))
    assert (upsample(ramp, (16, 16))[0].diff(dim=1) >= 0).all()


def test_the_scale_standardises_held_out_energies() -> None:
    """Location 0 and scale 1 over pictures and positions, at each level."""
    given = [
        e * factor + offset
        for e, factor, offset in zip(energies(), (1, 9, 0.2), (0, 3, -5), strict=True)
    ]
    scale, concept = LevelScale(1, 3), torch.zeros(4, dtype=torch.long)
    first = torch.stack([e.mean((1, 2)) for e in given], 1)
    second = torch.stack([e.square().mean((1, 2)) for e in given], 1)
    scale.set_from(first, second, concept=concept)
    for level, energy in enumerate(given):
        standard = scale(energy, level, concept=concept)
        assert abs(float(standard.mean())) < 1e-3
        assert abs(float(standard.std(correction=0)) - 1) < 1e-3


def test_only_a_concept_with_enough_pictures_has_a_scale_of_its_own() -> None:
    scale = LevelScale(3, 1)
    concept = torch.tensor([0] * 8 + [1] * 7)
    first = torch.cat([torch.full((8, 1), 2.0), torch.full((7, 1), 10.0)])
    scale.set_from(first, first.square() + 1.0, concept=concept)
    everyone = float(first.mean())
    assert torch.allclose(scale.location[:, 0], torch.tensor([2.0, everyone, everyone]))
    assert float(scale.spread[0, 0]) == 1.0
    assert float(scale.spread[1, 0]) == float(scale.spread[2, 0]) > 1.0


def test_equal_energies_do_not_divide_by_zero() -> None:
    scale, concept = LevelScale(1, 1), torch.zeros(3, dtype=torch.long)
    scale.set_from(torch.full((3, 1), 2.0), torch.full((3, 1), 4.0), concept=concept)
    assert scale(torch.full((3, 2, 2), 2.0), 0, concept=concept).isfinite().all()


def test_set_scale_standardises_the_detectors_own_maps() -> None:
    detector, maps = made_detector().eval(), made_maps(24, seed=6)
    halves = [[level[:10] for level in maps], [level[10:] for level in maps]]
    detector.set_scale(halves)
    with torch.no_grad():
        latents = detector.latents(maps)
        zs, log_dets, condition = latents.z, latents.log_dets, latents.condition
    for level, (z, j) in enumerate(zip(zs, log_dets, strict=True)):
        values = z.square().mean(1) / 2 - detector.form.log_det * j / z.shape[1]
        standard = detector.scale(values, level, concept=condition.concept)
        for k in range(3):
            own = standard[condition.concept == k]
            assert len(own) == 8
            assert abs(float(own.mean())) < 1e-2
            assert abs(float(own.std(correction=0)) - 1) < 1e-2


def form(**changes: Any) -> MapForm:
    plain: dict[str, Any] = {
        "size": (16, 16),
        "grids": ((16, 16),) * 4,
        "neighbourhood": 1,
        "smoothing": 1.5,
        "top_share": 0.03,
        "by_level": False,
    }
    return MapForm(**{**plain, **changes})


def standard_maps() -> list[Tensor]:
    chance = torch.Generator().manual_seed(5)
    return [torch.randn(3, 16, 16, generator=chance) for _ in range(4)]


def highest(values: np.ndarray) -> float:
    return float(np.sort(values.ravel())[::-1][: round(0.03 * 256)].mean())


@pytest.mark.parametrize("by_level", [False, True])
def test_the_image_score_is_made_of_the_mean_map_or_of_each(*, by_level: bool) -> None:
    given = standard_maps()
    total, image = form(by_level=by_level)(given)
    for b in range(3):
        parts = np.stack(
            [
                gaussian_filter(part[b].double().numpy(), 1.5, mode="mirror", radius=4)
                for part in given
            ]
        )
        joint = parts.mean(0)
        np.testing.assert_allclose(total[b], joint, atol=1e-5)
        wanted = np.mean([highest(part) for part in parts]) if by_level else highest(joint)
        assert float(image[b]) == pytest.approx(float(wanted), abs=1e-5)


@pytest.mark.parametrize("by_level", [False, True])
def test_further_parts_take_the_last_ones_places_in_the_map_alone(*, by_level: bool) -> None:
    given, further = standard_maps(), standard_maps()[:2]
    joined = form(by_level=by_level)
    total, image = joined([*given, *(part.flip(1) for part in further)])
    shown, _ = joined([*given[:2], *(part.flip(1) for part in further)])
    torch.testing.assert_close(total, shown)
    torch.testing.assert_close(image, joined(given)[1])


@pytest.mark.parametrize("by_level", [False, True])
def test_weights_are_the_image_scores_alone(*, by_level: bool) -> None:
    """A map that counts twice is one that is there twice."""
    given = standard_maps()[:3]
    total, image = form(by_level=by_level, grids=((16, 16),) * 3, weights=(2.0, 1.0, 1.0))(given)
    torch.testing.assert_close(total, form(grids=((16, 16),) * 3)(given)[0])
    torch.testing.assert_close(image, form(by_level=by_level)([given[0], *given])[1])


def test_a_defect_that_levels_see_in_different_places_counts_more_by_level() -> None:
    """Their mean map dilutes what each sees."""
    given = standard_maps()
    given[1][0, :3, :3] += 9.0
    given[2][0, 12:, 12:] += 9.0
    gain = [
        float(image[0] - image[1:].max())
        for image in (form(by_level=by)(given)[1] for by in (False, True))
    ]
    assert gain[1] > gain[0] > 0


def test_the_top_mean_is_the_mean_of_the_highest_share() -> None:
    maps = torch.arange(100.0).view(1, 10, 10)
    assert float(top_mean(maps, 0.03)) == 98.0
    assert float(top_mean(maps, 1.0)) == 49.5
    assert float(top_mean(maps, 1e-9)) == 99.0, "at least one"
