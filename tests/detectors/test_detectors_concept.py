"""Concepts: found without labels, the same for the same product, and not moved by training."""

import torch

from normalis.detectors.concepts import FixedEncoder, find_concepts, global_averages
from normalis.detectors.vqflow.concept import ConceptBranch, LearnedEncoder
from normalis.quantize.ema import EMAQuantizer
from small_world import FOUR_MAPS, made_maps

CHANNELS = tuple(c for c, _, _ in FOUR_MAPS.maps)


def found(count: int, *, most: int = 8, seed: int = 0) -> list[int]:
    averages = global_averages(made_maps(count))
    return find_concepts(averages, CHANNELS, most=most, seed=seed).tolist()


def test_global_averages_are_means_of_every_map() -> None:
    maps = made_maps(4)
    averages = global_averages(maps)
    assert averages.shape == (4, sum(CHANNELS))
    torch.testing.assert_close(averages[:, :8], maps[0].flatten(2).mean(2))
    torch.testing.assert_close(averages[:, -14:], maps[-1].flatten(2).mean(2))


def test_as_many_concepts_as_products_are_found_and_they_are_the_products() -> None:
    concepts = found(45)
    assert len(set(concepts)) == 3
    assert all(concepts[i] == concepts[i % 3] for i in range(45)), "purity 1"


def test_no_more_concepts_than_asked_for() -> None:
    assert len(set(found(45, most=2))) == 2
    assert set(found(45, most=1)) == {0}


def test_one_product_is_one_concept() -> None:
    maps = [level[::3] for level in made_maps(60)]
    index = find_concepts(global_averages(maps), CHANNELS, most=8, seed=0)
    assert set(index.tolist()) == {0}


def test_the_same_seed_finds_the_same() -> None:
    assert found(45, seed=3) == found(45, seed=3)


def test_fixed_descriptors_do_not_depend_on_the_unit_of_a_channel() -> None:
    averages = global_averages(made_maps(30))
    factors = torch.linspace(0.1, 9.0, averages.shape[1])
    one, other = FixedEncoder(CHANNELS, 8), FixedEncoder(CHANNELS, 8)
    one.set_from(averages)
    other.set_from(averages * factors)
    y, scaled = one(averages), other(averages * factors)
    # Axes may be mirrored; products of rows do not see that.
    torch.testing.assert_close(y @ y.T, scaled @ scaled.T, rtol=1e-3, atol=1e-4)


def test_more_axes_than_pictures_are_zero() -> None:
    averages = global_averages(made_maps(4))
    encoder = FixedEncoder(CHANNELS, 16)
    encoder.set_from(averages)
    assert encoder(averages).isfinite().all()
    assert not encoder(averages)[:, 4:].any()


def test_only_the_codes_of_a_learned_descriptor_move() -> None:
    maps, averages = made_maps(30), global_averages(made_maps(30))
    moved: dict[type, bool] = {}
    for encoder in (FixedEncoder(CHANNELS, 8), LearnedEncoder(CHANNELS, 8)):
        branch = ConceptBranch(encoder, EMAQuantizer(3, 8))
        branch.set_from(averages, None, generator=torch.Generator().manual_seed(0))
        before = branch.codebook.codes.clone()
        branch.update(branch(maps).assignment, torch.Generator().manual_seed(0))
        moved[type(encoder)] = not torch.equal(before, branch.codebook.codes)
    assert moved == {FixedEncoder: False, LearnedEncoder: True}


def test_the_learned_descriptor_reads_the_deepest_map_alone() -> None:
    encoder = LearnedEncoder(CHANNELS, 8).eval()
    averages = global_averages(made_maps(5))
    changed = averages.clone()
    changed[:, : -CHANNELS[-1]] += 1.0
    assert torch.equal(encoder(averages), encoder(changed))
    changed[:, -1] += 1.0
    assert not torch.equal(encoder(averages), encoder(changed))


def test_the_codes_of_told_concepts_are_their_means_and_name_them() -> None:
    maps, label = made_maps(30), torch.arange(30) % 3
    averages = global_averages(maps)
    branch = ConceptBranch(FixedEncoder(CHANNELS, 8), EMAQuantizer(3, 8))
    branch.set_from(averages, label, generator=torch.Generator().manual_seed(0))
    y = branch.encoder(averages)
    torch.testing.assert_close(branch.codebook.codes[1], y[label == 1].mean(0))
    assert torch.equal(branch(maps).index, label)


def test_a_product_with_eight_pictures_is_found_among_larger_ones() -> None:
    averages = global_averages(made_maps(120))
    own = torch.arange(120) % 3
    few = (own == 0).cumsum(0) <= 8
    kept = averages[few | (own != 0)]
    index = find_concepts(kept, CHANNELS, most=8, seed=0)
    assert sorted(index.bincount().tolist()) == [8, 40, 40]
