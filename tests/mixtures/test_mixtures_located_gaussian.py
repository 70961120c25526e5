"""The Gaussian of each concept and place, against its moments written in numpy."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import Tensor

from normalis.mixtures import LocatedGaussian, LocatedMoments, standard_normal_log_prob

C, H, W = 3, 2, 4
CONCEPTS = 3
MEAN_SHRINKAGE, COVARIANCE_SHRINKAGE, FLOOR = 2.0, 4.0, 1e-3


def pictures(count: int = 12, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Maps of concepts 0 and 1, whose channels move together; concept 2 has no picture."""
    generator = torch.Generator().manual_seed(seed)
    concept = torch.arange(count) % 2
    mixing = torch.randn(2, C, C, generator=generator, dtype=torch.float64)
    place = 3 * torch.randn(2, C, H, W, generator=generator, dtype=torch.float64)
    noise = torch.randn(count, C, H, W, generator=generator, dtype=torch.float64)
    return torch.einsum("bdc,bchw->bdhw", mixing[concept], noise) + place[concept], concept


@dataclass(frozen=True)
class Reference:
    """What a concept is fitted to, from the definitions."""

    mean: np.ndarray  # k c h w
    covariance: np.ndarray  # k c c


def reference() -> Reference:
    tensor, concept = pictures()
    x = tensor.numpy()
    means, scatters, sizes = [], [], []
    for k in range(CONCEPTS):
        own = x[concept.numpy() == k]
        usual = (own if len(own) else x).mean((0, 2, 3))[:, None, None]
        mean = (own.sum(0) + MEAN_SHRINKAGE * usual) / (len(own) + MEAN_SHRINKAGE)
        rest = np.moveaxis(own - mean, 1, 3).reshape(-1, C)
        means.append(mean)
        scatters.append(rest.T @ rest)
        sizes.append(len(rest))
    pooled = sum(scatters) / sum(sizes)
    belief = COVARIANCE_SHRINKAGE * C
    covariances = [
        (scatter + belief * pooled) / (size + belief)
        for scatter, size in zip(scatters, sizes, strict=True)
    ]
    return Reference(np.stack(means), np.stack(covariances))


def moments(batch: int = 12) -> LocatedMoments:
    sums = LocatedMoments(CONCEPTS, (C, H, W))
    x, concept = pictures()
    for part, k in zip(x.split(batch), concept.split(batch), strict=True):
        sums.add(part, k)
    return sums


def fitted() -> LocatedGaussian:
    gaussian = LocatedGaussian(CONCEPTS, (C, H, W)).double()
    gaussian.set_moments(moments())
    return gaussian


@pytest.mark.parametrize("batch", [1, 5, 12])
def test_moments_are_those_of_the_definitions(batch: int) -> None:
    sums = moments(batch)
    means = sums.means()
    expected = reference()
    np.testing.assert_allclose(means.view(CONCEPTS, C, H, W).numpy(), expected.mean)
    np.testing.assert_allclose(sums.covariances(means).numpy(), expected.covariance)


def test_with_many_pictures_the_shrinkage_is_forgotten() -> None:
    x, _ = pictures(4000)
    own = x[::2]
    sums = LocatedMoments(1, (C, H, W))
    sums.add(own, torch.zeros(len(own), dtype=torch.long))
    np.testing.assert_allclose(sums.means().view(C, H, W), own.mean(0), atol=0.01)
    rest = (own - own.mean(0)).permute(1, 0, 2, 3).flatten(1).numpy()
    np.testing.assert_allclose(sums.covariances(sums.means())[0], np.cov(rest), atol=0.01)


def test_the_density_is_that_of_scipys_normal_distribution() -> None:
    gaussian, expected = fitted(), reference()
    x = torch.randn(CONCEPTS, C, H, W, dtype=torch.float64)
    z, log_det = gaussian(x, torch.arange(CONCEPTS))
    density = standard_normal_log_prob(z) + log_det
    for k in range(CONCEPTS):
        covariance = expected.covariance[k]
        covariance = covariance + FLOOR * np.trace(covariance) / C * np.eye(C)
        for i, j in np.ndindex(H, W):
            normal = multivariate_normal(expected.mean[k, :, i, j], covariance)
            value = float(normal.logpdf(x[k, :, i, j].numpy()))
            assert float(density[k, i, j]) == pytest.approx(value)


def test_the_training_pictures_become_nearly_white() -> None:
    x, concept = pictures(4000)
    sums = LocatedMoments(2, (C, H, W))
    sums.add(x, concept)
    gaussian = LocatedGaussian(2, (C, H, W)).double()
    gaussian.set_moments(sums)
    z, _ = gaussian(x, concept)
    for k in range(2):
        rows = z[concept == k].permute(1, 0, 2, 3).flatten(1).numpy()
        np.testing.assert_allclose(rows.mean(1), 0, atol=0.02)
        np.testing.assert_allclose(np.cov(rows), np.eye(C), atol=0.06)


def test_all_places_alike_is_one_mean_and_one_covariance() -> None:
    x, concept = pictures(400)
    sums = LocatedMoments(1, (C, 1, 1))
    sums.add(x, concept)
    flat = x.permute(1, 0, 2, 3).flatten(1).numpy()
    means = sums.means()
    np.testing.assert_allclose(means[0, :, 0], flat.mean(1))
    np.testing.assert_allclose(sums.covariances(means)[0], np.cov(flat, bias=True))


def test_one_row_serves_every_concept() -> None:
    gaussian = LocatedGaussian(1, (C, H, W)).double()
    sums = LocatedMoments(1, (C, H, W))
    x, concept = pictures()
    sums.add(x, concept)
    gaussian.set_moments(sums)
    expected = gaussian(x, torch.zeros_like(concept))
    torch.testing.assert_close(gaussian(x, concept + 5), expected, rtol=0, atol=0)


def test_a_channel_that_never_moves_is_not_blown_up() -> None:
    x, concept = pictures()
    x[:, 1] = 7.0
    sums = LocatedMoments(2, (C, H, W))
    sums.add(x, concept)
    gaussian = LocatedGaussian(2, (C, H, W)).double()
    gaussian.set_moments(sums)
    z, log_det = gaussian(x, concept)
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_det).all()
    assert float(z[:, 1].abs().max()) < 1


def test_it_starts_as_the_identity() -> None:
    x = torch.randn(2, C, H, W)
    z, log_det = LocatedGaussian(CONCEPTS, (C, H, W))(x, torch.tensor([0, 2]))
    assert torch.equal(z, x)
    assert not log_det.any()
