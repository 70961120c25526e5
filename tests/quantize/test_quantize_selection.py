"""How many clusters there are, and scikit-learn's silhouette as a reference."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from quantize_samples import Clusters, purity
from sklearn.metrics import silhouette_score

from normalis.quantize import choose_centres, nearest_codes, silhouette


@settings(max_examples=30)
@given(seed=st.integers(0, 2**16), n=st.integers(6, 40), k=st.integers(2, 5))
def test_equals_scikit_learn(seed: int, n: int, k: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    # Two labels at least; the last may have one point, which counts 0.
    index = torch.randint(k, (n,), generator=generator)
    index[:3] = torch.tensor([0, 1, k])
    assert silhouette(x, index) == pytest.approx(silhouette_score(x, index), abs=1e-6)


def test_labels_may_leave_numbers_out() -> None:
    x, label = Clusters.of(3, 4, seed=0).draw(60)
    assert silhouette(x, 10 * label + 2) == pytest.approx(silhouette(x, label))


def test_one_cluster_has_no_silhouette() -> None:
    assert silhouette(torch.randn(10, 2), torch.zeros(10, dtype=torch.long)) == 0.0


def test_equal_points_in_two_clusters_are_not_clustered() -> None:
    assert silhouette(torch.ones(4, 2), torch.tensor([0, 0, 1, 1])) == 0.0


@pytest.mark.parametrize("count", [1, 2, 3, 6])
@pytest.mark.parametrize("seed", range(2))
def test_the_number_of_clusters_is_found(count: int, seed: int) -> None:
    clusters = Clusters.of(count, 16, seed=seed)
    x, label = clusters.draw(150)
    centres = choose_centres(x, 8, generator=torch.Generator().manual_seed(seed))
    assert len(centres) == count
    assert purity(nearest_codes(x, centres), label) == 1.0


@pytest.mark.parametrize("points", [1, 2, 3])
def test_too_few_points_for_clusters_have_one_centre(points: int) -> None:
    x = torch.randn(points, 4, generator=torch.Generator().manual_seed(0))
    centres = choose_centres(x, 8, generator=torch.Generator().manual_seed(0))
    assert len(centres) <= max(1, points - 1)
    assert points > 2 or torch.equal(centres, x.mean(0, keepdim=True))


def test_never_more_than_asked_for() -> None:
    x, _ = Clusters.of(6, 16, seed=0).draw(100)
    assert len(choose_centres(x, 4, generator=torch.Generator().manual_seed(0))) <= 4
