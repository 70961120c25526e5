"""Nearest codes against brute force, k-means against scikit-learn, measures against scipy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from quantize_samples import Clusters, purity
from scipy.spatial.distance import cdist
from scipy.stats import entropy
from sklearn.cluster import KMeans
from torch import Tensor

from normalis.quantize import code_counts, kmeans, nearest_codes, perplexity
from normalis.quantize.nearest import first_least, straight_through


def inertia(x: Tensor, centres: Tensor) -> float:
    distances = cdist(x.double().numpy(), centres.double().numpy(), "sqeuclidean")
    return float(distances.min(1).sum())


def reference(x: Tensor, size: int, *, restarts: int, start: Tensor | None = None) -> Tensor:
    """Centres of scikit-learn."""
    init = "k-means++" if start is None else start.numpy()
    model = KMeans(size).set_params(init=init, n_init=restarts, tol=0.0, random_state=0)
    return torch.from_numpy(np.asarray(model.fit(x.numpy()).cluster_centers_))


# --- nearest codes ---


@given(seed=st.integers(0, 2**16), n=st.integers(0, 30), k=st.integers(1, 20), d=st.integers(1, 8))
def test_no_code_is_nearer(seed: int, n: int, k: int, d: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, codes = torch.randn(n, d, generator=generator), torch.randn(k, d, generator=generator)
    index = nearest_codes(x, codes).numpy()
    distances = cdist(x.numpy(), codes.numpy(), "sqeuclidean")
    assert index.shape == (n,)
    assert np.all(distances[np.arange(n), index] <= distances.min(1, initial=np.inf) + 1e-4)


@given(seed=st.integers(0, 2**16), k=st.integers(1, 9))
def test_the_first_of_equals_is_taken(seed: int, k: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 3, (k, 2), generator=generator).float()
    x = torch.randint(0, 3, (40, 2), generator=generator).float()
    distances = (x[:, None] - codes).square().sum(2)
    assert torch.equal(nearest_codes(x, codes), distances.argmin(1))


def test_straight_through_has_one_value_and_the_others_gradient() -> None:
    x, value = (torch.randn(3, 2, requires_grad=True) for _ in range(2))
    out = straight_through(x, value)
    assert torch.equal(out, value)
    grad = torch.randn(3, 2)
    assert torch.equal(torch.autograd.grad(out, x, grad)[0], grad)
    again = straight_through(x, value)
    assert torch.autograd.grad(again, value, grad, allow_unused=True) == (None,)


def test_ties_take_the_first() -> None:
    codes = torch.tensor([[3.0], [1.0], [-1.0], [1.0]])
    assert nearest_codes(torch.tensor([[0.0], [1.0], [2.0]]), codes).tolist() == [1, 1, 0]


def test_a_graph_names_the_same_codes_the_first_of_several() -> None:
    class Nearest(torch.nn.Module):
        def forward(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
            return nearest_codes(x, codes)

    x, codes = torch.randn(300, 4), torch.randn(40, 4)
    codes[20:] = codes[:20].flip(0)
    graph = torch.export.export(Nearest(), (x, codes)).module()
    assert torch.equal(graph(x, codes), nearest_codes(x, codes))
    assert int(graph(x, codes).max()) < 20


def test_many_rows_are_searched_in_parts() -> None:
    codes = torch.arange(5.0)[:, None]
    x = (torch.arange(40_000) % 5)[:, None] + 0.25
    assert torch.equal(nearest_codes(x, codes), torch.arange(40_000) % 5)


def test_mixed_precision_chooses_no_other_code() -> None:
    """bfloat16 keeps three digits: at 100 it does not see a distance of 0.1."""
    codes = 100 + 0.1 * torch.arange(10.0)[:, None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert nearest_codes(codes, codes).tolist() == list(range(10))


# --- measures of use ---

counts_of_codes = st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(any)


@given(counts_of_codes)
def test_perplexity_is_the_exponential_of_scipys_entropy(counts: list[int]) -> None:
    value = float(perplexity(torch.tensor(counts, dtype=torch.float32)))
    assert value == pytest.approx(float(np.exp(entropy(counts))), rel=1e-5)
    assert 1 - 1e-5 <= value <= sum(count > 0 for count in counts) + 1e-4


@pytest.mark.parametrize(("counts", "value"), [([3, 0, 0], 1), ([2, 2, 0], 2), ([1, 1, 1], 3)])
def test_perplexity_of_even_use_is_the_number_of_codes(counts: list[int], value: int) -> None:
    assert float(perplexity(torch.tensor(counts).float())) == pytest.approx(value)


def test_code_counts() -> None:
    assert code_counts(torch.tensor([3, 0, 3]), 5).tolist() == [1, 0, 0, 2, 0]


# --- k-means ---


def test_kmeans_finds_clear_clusters_as_scikit_learn_does() -> None:
    clusters = Clusters.of(6, 8, seed=0)
    x, label = clusters.draw(300)
    centres = kmeans(x, 6, generator=torch.Generator().manual_seed(0), restarts=4)
    assert purity(nearest_codes(x, centres), label) == 1.0
    assert inertia(x, centres) == pytest.approx(inertia(x, reference(x, 6, restarts=4)), rel=1e-4)


def test_kmeans_is_as_tight_as_scikit_learn_where_nothing_is_clear() -> None:
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(1))
    centres = kmeans(x, 8, generator=torch.Generator().manual_seed(0), restarts=10, steps=100)
    assert inertia(x, centres) < 1.01 * inertia(x, reference(x, 8, restarts=10))


def test_scikit_learn_cannot_improve_what_kmeans_ended_with() -> None:
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(2))
    centres = kmeans(x, 5, generator=torch.Generator().manual_seed(0), steps=500)
    improved = reference(x, 5, restarts=1, start=centres)
    torch.testing.assert_close(improved, centres, rtol=0, atol=1e-5)


def test_more_restarts_are_never_looser() -> None:
    x = torch.randn(100, 2, generator=torch.Generator().manual_seed(3))
    values = [
        inertia(x, kmeans(x, 7, generator=torch.Generator().manual_seed(0), restarts=restarts))
        for restarts in (1, 3, 9)
    ]
    assert values[0] >= values[1] >= values[2]
    assert values[0] > values[2], "the example has more than one outcome"


@pytest.mark.parametrize("size", [1, 3, 5])
def test_few_distinct_points_are_their_own_centres(size: int) -> None:
    points = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
    centres = kmeans(points.repeat(4, 1), size, generator=torch.Generator().manual_seed(0))
    assert centres.shape == (size, 2)
    if size >= 3:
        assert inertia(points, centres) == pytest.approx(0, abs=1e-6)
    else:
        torch.testing.assert_close(centres, points.mean(0, keepdim=True))


def test_the_generator_decides() -> None:
    x = torch.randn(100, 2, generator=torch.Generator().manual_seed(3))
    one, same, other = (
        kmeans(x, 7, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_graph_takes_the_same_code_in_bfloat16_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several least values the first, of what is no number the last, beyond 256 codes, too."""
    table = torch.randint(5, (64, 600), generator=torch.Generator().manual_seed(12)).bfloat16()
    table[0], table[1] = torch.nan, 5
    table[1, 511] = 0
    expected = table.float().numpy().argmin(1).tolist()
    expected[0] = 599
    assert first_least(table.float().clone()).tolist() == expected
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    assert first_least(table).tolist() == expected
