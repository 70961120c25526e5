"""Laws of the moving-average quantiser, and vector-quantize-pytorch as a reference."""

from dataclasses import astuple

import pytest
import torch
from quantize_samples import Clusters, purity
from torch import Tensor
from vector_quantize_pytorch import VectorQuantize

from normalis.quantize import EMAQuantizer

CLUSTERS, DIM = 15, 32


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(**settings: float) -> EMAQuantizer:
    """Three codes on a line, at 0, 1 and 5."""
    quantizer = EMAQuantizer(3, 1, **settings)
    quantizer.set_codes(torch.tensor([[0.0], [1.0], [5.0]]))
    return quantizer


def train(
    quantizer: EMAQuantizer, clusters: Clusters, *, steps: int, generator: torch.Generator | None
) -> list[int]:
    """Steps of 16 vectors; the number of codes that each step used."""
    used: list[int] = []
    for _ in range(steps):
        x, _ = clusters.draw(16)
        index = quantizer.quantize(x).codes
        quantizer.update(x, index, generator=generator)
        used.append(len(index.unique()))
    return used


# --- one step ---


def test_quantise() -> None:
    x = torch.tensor([[0.4], [0.6], [4.0], [9.0]], requires_grad=True)
    result = small().quantize(x)
    assert result.codes.tolist() == [0, 1, 2, 2]
    torch.testing.assert_close(result.values.detach(), torch.tensor([[0.0], [1.0], [5.0], [5.0]]))
    assert result.usage.tolist() == [1, 1, 2]
    assert result.commitment.item() == pytest.approx((0.4**2 + 0.4**2 + 1 + 16) / 4)


def test_the_values_gradient_goes_straight_through() -> None:
    x = torch.randn(8, 1, requires_grad=True)
    weight = torch.randn(8, 1)
    gradient = torch.autograd.grad((small().quantize(x).values * weight).sum(), x)[0]
    assert torch.equal(gradient, weight)


def test_the_commitment_draws_the_input_to_its_code() -> None:
    x = torch.tensor([[0.4], [4.0]], requires_grad=True)
    gradient = torch.autograd.grad(small().quantize(x).commitment, x)[0]
    torch.testing.assert_close(gradient, torch.tensor([[0.4], [-1.0]]))


def test_quantising_changes_no_code() -> None:
    quantizer = small().train()
    before = {key: value.clone() for key, value in quantizer.state_dict().items()}
    quantizer.quantize(torch.randn(8, 1))
    assert all(torch.equal(value, before[key]) for key, value in quantizer.state_dict().items())


def test_codes_are_saved_with_their_statistics() -> None:
    first, second = small(), EMAQuantizer(3, 1)
    second.load_state_dict(first.state_dict())
    x = torch.tensor([[0.4], [7.0]])
    for quantizer in (first, second):
        quantizer.update(x, quantizer.quantize(x).codes)
    assert torch.equal(first.codes, second.codes)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_inputs_have_full_precision_statistics(dtype: torch.dtype) -> None:
    clusters = Clusters.of(CLUSTERS, DIM, seed=0)
    x = clusters.draw(64)[0].to(dtype)
    coarse, fine = EMAQuantizer(CLUSTERS, DIM), EMAQuantizer(CLUSTERS, DIM)
    fine.load_state_dict(coarse.state_dict())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = coarse.quantize(x)
        coarse.update(x, result.codes)
    expected = fine.quantize(x.float())
    fine.update(x.float(), expected.codes)
    assert torch.equal(result.codes, expected.codes)
    assert result.commitment.dtype == torch.float32
    assert torch.equal(coarse.codes, fine.codes)
    assert coarse.codes.dtype == coarse.sums.dtype == coarse.counts.dtype == torch.float32


def test_codes_are_told_apart_more_finely_than_a_half_precision_input() -> None:
    quantizer = EMAQuantizer(3, 1)
    quantizer.set_codes(torch.tensor([[1.003], [1.002], [1.001]]))
    assert quantizer.quantize(torch.ones(1, 1, dtype=torch.bfloat16)).codes.tolist() == [2]


# --- several steps ---


@pytest.mark.parametrize(("decay", "epsilon"), [(0.99, 1e-5), (0.8, 1e-2)])
def test_equals_vector_quantize_pytorch(decay: float, epsilon: float) -> None:
    """Its `cluster_size` is our `counts`; it starts them at 1 and smooths them in the same way."""
    torch.manual_seed(0)
    clusters = Clusters.of(CLUSTERS, DIM, seed=0)
    ours = EMAQuantizer(8, DIM, decay=decay, epsilon=epsilon)
    theirs = VectorQuantize(DIM, 8, decay=decay, eps=epsilon, rotation_trick=False)
    pairs = {"embed": ours.codes, "embed_avg": ours.sums, "cluster_size": ours.counts}
    theirs.load_state_dict(
        {f"_codebook.{key}": value[None].clone() for key, value in pairs.items()}, strict=False
    )
    for _ in range(5):
        x = clusters.draw(16)[0].requires_grad_()
        expected: tuple[Tensor, Tensor, Tensor] = theirs(x)
        result = ours.quantize(x)
        ours.update(x, result.codes)
        values, index, commitment = expected
        assert torch.equal(result.codes, index)
        torch.testing.assert_close(result.values, values)
        torch.testing.assert_close(result.commitment, commitment)
        for one, other in [(result.values, values), (result.commitment, commitment)]:
            torch.testing.assert_close(
                torch.autograd.grad(one.square().sum(), x, retain_graph=True),
                torch.autograd.grad(other.square().sum(), x, retain_graph=True),
            )
        for key, value in pairs.items():
            torch.testing.assert_close(value[None], theirs.get_buffer(f"_codebook.{key}"))


def test_codes_go_to_the_mean_of_their_inputs() -> None:
    quantizer = small()
    x = torch.tensor([[0.1], [0.3], [1.5], [6.0]])
    for _ in range(2000):
        quantizer.update(x, torch.tensor([0, 0, 1, 2]))
    torch.testing.assert_close(
        quantizer.codes, torch.tensor([[0.2], [1.5], [6.0]]), rtol=1e-4, atol=0
    )


def test_a_dead_code_is_drawn_anew_with_its_statistics() -> None:
    quantizer = small(decay=0.5)
    x, index = torch.tensor([[0.25], [0.75]]), torch.tensor([0, 1])
    for _ in range(10):
        quantizer.update(x, index, generator=seeded())
    # Smoothed counts move a code by a hair.
    assert float((quantizer.codes[2] - x).abs().min()) < 1e-3
    total = quantizer.counts[:2].sum()
    assert quantizer.counts[2].item() > 0.03 * total.item() / 3
    torch.testing.assert_close(quantizer.sums[2], quantizer.codes[2] * quantizer.counts[2])


def test_a_revived_code_counts_as_an_even_one() -> None:
    quantizer = small(decay=0.0, revive_below=0.5)
    x = torch.tensor([[0.25], [0.75], [0.75]])
    quantizer.update(x, torch.tensor([0, 1, 1]), generator=seeded())
    assert quantizer.counts.tolist() == [1, 2, 1]
    torch.testing.assert_close(quantizer.sums[2], quantizer.codes[2])


@pytest.mark.parametrize(("revive_below", "generator"), [(0.0, seeded()), (0.5, None)])
def test_nothing_is_revived_unasked(revive_below: float, generator: torch.Generator | None) -> None:
    quantizer = small(decay=0.5, revive_below=revive_below)
    x, index = torch.tensor([[0.25], [0.75]]), torch.tensor([0, 1])
    for _ in range(10):
        quantizer.update(x, index, generator=generator)
    assert quantizer.counts[2].item() == pytest.approx(0.5**10)
    assert quantizer.sums[2].item() == pytest.approx(5 * 0.5**10)


# --- the numerical check of METHODS §0.3: 15 clusters, 16 vectors a step ---


@pytest.mark.parametrize("seed", range(3))
def test_as_many_codes_as_clusters_find_them(seed: int) -> None:
    clusters = Clusters.of(CLUSTERS, DIM, seed=seed)
    quantizer = EMAQuantizer(CLUSTERS, DIM)
    quantizer.set_codes_from(clusters.draw_evenly(8)[0], seeded(seed), restarts=4)
    train(quantizer, clusters, steps=100, generator=seeded(seed))
    x, label = clusters.draw_evenly(10)
    index = quantizer.quantize(x).codes
    assert len(index.unique()) == CLUSTERS
    assert purity(index, label) == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_codes_from_the_first_batches_with_revival_find_the_clusters(seed: int) -> None:
    clusters = Clusters.of(CLUSTERS, DIM, seed=seed)
    quantizer = EMAQuantizer(32, DIM)
    quantizer.set_codes_from(clusters.draw(64)[0], seeded(seed))
    train(quantizer, clusters, steps=230, generator=seeded(seed))
    x, label = clusters.draw_evenly(10)
    index = quantizer.quantize(x).codes
    assert len(index.unique()) >= CLUSTERS
    assert purity(index, label) == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_revival_saves_even_random_codes(seed: int) -> None:
    clusters = Clusters.of(CLUSTERS, DIM, seed=seed)
    torch.manual_seed(seed)
    quantizer = EMAQuantizer(32, DIM)
    train(quantizer, clusters, steps=800, generator=seeded(seed))
    x, label = clusters.draw_evenly(10)
    assert purity(quantizer.quantize(x).codes, label) == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_the_published_start_kills_the_codebook(seed: int) -> None:
    """With n = 0 every code that the first batch leaves out is divided by nearly nothing."""
    clusters = Clusters.of(CLUSTERS, DIM, seed=seed)
    torch.manual_seed(seed)
    quantizer = EMAQuantizer(32, DIM, initial_count=0.0, revive_below=0.0)
    used = train(quantizer, clusters, steps=200, generator=seeded(seed))
    assert used[0] > 1
    assert set(used[2:]) == {1}
    assert float(quantizer.codes.norm(dim=1).max()) > 1e4


def test_a_result_has_the_shapes_it_promises() -> None:
    shapes = [tuple(part.shape) for part in astuple(EMAQuantizer(7, 4).quantize(torch.randn(5, 4)))]
    assert shapes == [(5, 4), (5,), (), (7,)]
