"""Which clusters there are: synthetic clouds as truth, scikit-learn's silhouette as a reference."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from quantize_samples import Clusters, purity
from sklearn.metrics import silhouette_samples
from torch import Tensor

from normalis.quantize import find_clusters, silhouettes
from normalis.quantize.selection import clearness


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def found(x: Tensor, *, most: int = 32, seed: int = 0) -> Tensor:
    return find_clusters(x, torch.ones(x.shape[1]), most=most, generator=seeded(seed))


def cloud(size: int, *, at: float = 0.0, spread: float = 1.0, seed: int = 0) -> Tensor:
    """A round cloud around (at, -at, at, ...)."""
    centre = at * torch.tensor([1.0, -1.0]).repeat(8)
    return centre + spread * torch.randn(size, 16, generator=seeded(seed))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**16), n=st.integers(6, 40), k=st.integers(2, 5))
def test_the_silhouettes_are_those_of_scikit_learn(seed: int, n: int, k: int) -> None:
    generator = seeded(seed)
    x = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    # Two labels at least, of which one is left out; the last may have one point, which counts 0.
    index = torch.randint(k, (n,), generator=generator)
    index[:3] = torch.tensor([0, 1, k + 1])
    expected = torch.from_numpy(silhouette_samples(x, index))
    torch.testing.assert_close(silhouettes(x, index), expected)


def test_one_cluster_has_no_silhouette() -> None:
    assert not silhouettes(torch.randn(10, 2), torch.zeros(10, dtype=torch.long)).any()


def test_equal_points_in_two_clusters_are_not_clustered() -> None:
    assert not silhouettes(torch.ones(4, 2), torch.tensor([0, 0, 1, 1])).any()


def test_a_line_cut_in_two_has_a_silhouette_but_no_gap() -> None:
    x = torch.linspace(0.0, 1.0, 100)[:, None]
    half = (x[:, 0] > 0.5).long()
    assert silhouettes(x, half).mean() > 0.5
    assert clearness(x, half) < 0.2
    assert clearness(x + 2 * half[:, None], half) > 0.5


def test_a_large_cluster_does_not_outvote_a_small_one() -> None:
    x = torch.cat([cloud(90), cloud(10, at=2.0, spread=0.1, seed=1)])
    second = (torch.arange(100) >= 90).long()
    more = torch.cat([x, cloud(900, seed=2)]), torch.cat([second, torch.zeros(900).long()])
    assert clearness(*more) == pytest.approx(clearness(x, second), abs=0.05)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
@pytest.mark.parametrize("seed", range(2))
def test_the_clusters_are_found(count: int, seed: int) -> None:
    x, label = Clusters.of(count, 16, seed=seed).draw(200)
    index = found(x, seed=seed)
    assert int(index.max()) + 1 == count
    assert purity(index, label) == 1.0


@pytest.mark.parametrize(("count", "spread"), [(40, 0.1), (40, 0.3), (80, 0.1)])
def test_many_clusters_are_found(count: int, spread: float) -> None:
    clusters = Clusters.of(count, 64, seed=0)
    x, label = replace(clusters, spread=spread).draw_evenly(20)
    index = found(x, most=200)
    assert int(index.max()) + 1 == count
    assert purity(index, label) == 1.0


def test_two_wide_clusters_that_may_be_one_take_in_no_others() -> None:
    sizes = torch.tensor([200, 200, 30, 30, 30, 30, 30])
    spread = torch.tensor([1.5, 1.5, 0.5, 0.5, 0.5, 0.5, 0.5]).repeat_interleave(sizes)
    label = torch.arange(7).repeat_interleave(sizes)
    generator = seeded()
    centres = 3 * torch.randn(7, 32, generator=generator)
    x = centres[label] + spread[:, None] * torch.randn(len(label), 32, generator=generator)
    index = found(x)
    assert purity(index, (label - 1).clamp_min(0)) == 1.0


def test_shades_of_one_thing_are_one_cluster_beside_another() -> None:
    # Three shades differ in some columns, the things in all.
    things = torch.tensor([1.0, -1.0]).repeat(16) * torch.tensor([[0.0], [8.0]])
    shades = torch.zeros(3, 32)
    shades[0, :6] = shades[1, 6:12] = shades[2, 12:18] = 4.0
    noise = torch.randn(4, 30, 32, generator=seeded())
    x = (torch.cat([things[0] + shades, things[1:]])[:, None] + noise).flatten(0, 1)
    index = found(x)
    assert int(index.max()) == 1
    assert purity(index, (torch.arange(120) >= 90).long()) == 1.0


@pytest.mark.parametrize("sizes", [(300, 20), (20, 300), (200, 40, 12)])
def test_clusters_of_unequal_size_are_found(sizes: tuple[int, ...]) -> None:
    clusters = Clusters.of(len(sizes), 16, seed=0)
    label = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    index = found(clusters.around(label))
    assert int(index.max()) + 1 == len(sizes)
    assert purity(index, label) == 1.0


def test_a_small_tight_cluster_beside_a_wide_one_is_found() -> None:
    x = torch.cat([cloud(300), cloud(20, at=4.0, spread=0.2, seed=1)])
    index = found(x)
    assert set(index[:300].tolist()).isdisjoint(index[300:].tolist())
    assert int(index.max()) == 1


def test_a_cluster_far_away_does_not_hide_two_that_are_near_each_other() -> None:
    near = torch.cat([cloud(100), cloud(100, at=4.0, seed=1)])
    label = torch.arange(2).repeat_interleave(100)
    assert purity(found(near), label) == 1.0
    far = cloud(100, at=1e3, seed=2)
    index = found(torch.cat([near, far]))
    assert int(index.max()) == 2
    assert purity(index, torch.cat([label, torch.full((100,), 2)])) == 1.0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("stretch", [1.0, 20.0])
@pytest.mark.parametrize("size", [20, 300])
def test_a_single_cloud_is_one_cluster_be_it_round_or_long(
    size: int, stretch: float, seed: int
) -> None:
    # All columns share one cause, as pictures under changing light do.
    x = cloud(size, seed=seed) + stretch * torch.randn(size, 1, generator=seeded(seed + 9))
    assert not found(x, seed=seed).any()


@pytest.mark.parametrize("points", [1, 2, 3, 15])
def test_too_few_points_are_one_cluster(points: int) -> None:
    x = torch.cat([cloud(points - points // 2), cloud(points // 2, at=1e3, seed=1)])
    assert not found(x).any()


def test_a_handful_of_copies_is_no_cluster() -> None:
    assert not found(torch.cat([cloud(100), cloud(1, at=5.0).expand(6, -1)])).any()


def test_equal_points_are_one_cluster() -> None:
    assert not found(torch.ones(50, 4)).any()


def test_never_more_than_asked_for_and_the_least_clear_go_together() -> None:
    near = torch.cat([cloud(50), cloud(50, at=4.0, seed=1)])
    x = torch.cat([near, cloud(50, at=40.0, seed=2)])
    assert int(found(x).max()) == 2
    index = found(x, most=2)
    assert len(index[:100].unique()) == 1
    assert len(index.unique()) == 2
    assert not found(x, most=1).any()


def test_the_order_and_the_unit_of_the_rows_do_not_matter() -> None:
    x, _ = Clusters.of(4, 16, seed=0).draw(200)
    order = torch.randperm(200, generator=seeded(1))
    one, other = found(x), found((x * torch.linspace(0.1, 9.0, 16) + 3.0)[order])
    assert torch.equal(one[order][:, None] == one[order], other[:, None] == other)
