"""The concept's prior is a density; its published form is not."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from torch import Tensor
from torch.distributions import Independent, Normal

from normalis.mixtures import ConceptGaussian, standard_normal_log_prob

PROTOTYPE = 4


def prior(channels: int, *, exact: bool) -> ConceptGaussian:
    """A prior whose means and scales depend on the prototype; scales around 1.5."""
    torch.manual_seed(channels)
    made = ConceptGaussian(channels, PROTOTYPE, exact=exact).double()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    with torch.no_grad():
        made.sigma.bias.add_(0.4 if exact else 1.8)
    return made


def log_density(made: ConceptGaussian, x: Tensor, prototype: Tensor) -> Tensor:
    """Log-density of each row of x given the prototype."""
    context = prototype.expand(len(x), PROTOTYPE)[:, :, None, None]
    z, log_det = made(x[:, :, None, None], context)
    return (standard_normal_log_prob(z) + log_det)[:, 0, 0].detach()


def mass(made: ConceptGaussian, channels: int, prototype: Tensor) -> float:
    """The integral of the density by quadrature."""
    axis = torch.linspace(-40, 40, 4001 if channels == 1 else 401, dtype=torch.float64)
    grid = torch.cartesian_prod(*[axis] * channels).view(-1, channels)
    values = log_density(made, grid, prototype).exp().numpy().reshape([len(axis)] * channels)
    for _ in range(channels):
        values = np.asarray(trapezoid(values, axis.numpy()))
    return float(values)


def some_prototype(seed: int) -> Tensor:
    return torch.randn(PROTOTYPE, generator=torch.Generator().manual_seed(seed)).double()


def scale(made: ConceptGaussian, prototype: Tensor) -> Tensor:
    """sigma, as METHODS §1.5 has it, from the head's own output."""
    raw = made.sigma(prototype).detach()
    return (3 * torch.tanh(raw / 3)).exp() if made.exact else raw.abs()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_the_density_integrates_to_one(channels: int, seed: int) -> None:
    assert mass(prior(channels, exact=True), channels, some_prototype(seed)) == pytest.approx(1)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("seed", range(3))
def test_the_published_form_is_no_density(channels: int, seed: int) -> None:
    """It divides by sigma and leaves that out of the log-determinant.

    So its "density" integrates to the product of the sigmas, and a flow that makes its output
    wider while sigma grows with it is paid for volume that was never made.
    """
    made, prototype = prior(channels, exact=False), some_prototype(seed)
    sigma = scale(made, prototype)
    expected = float(sigma.prod())
    assert abs(expected - 1) > 0.05
    assert mass(made, channels, prototype) == pytest.approx(expected, rel=1e-3)


def test_the_published_objective_has_no_bound_and_the_exact_one_has() -> None:
    """The same data under a wider and wider sigma: the published likelihood only ever rises."""
    x = torch.randn(1000, 1, generator=torch.Generator().manual_seed(0)).double()
    means: dict[bool, list[float]] = {}
    for exact in (False, True):
        made = prior(1, exact=exact)
        means[exact] = []
        for log_sigma in (0.0, 1.0, 2.0, 2.9):
            raw = 3 * math.atanh(log_sigma / 3) if exact else math.exp(log_sigma)
            for parameter in made.parameters():
                torch.nn.init.zeros_(parameter)
            torch.nn.init.constant_(made.sigma.bias, raw)
            means[exact].append(float(log_density(made, x, some_prototype(0)).mean()))
    assert means[False] == sorted(means[False])
    assert means[True] == sorted(means[True], reverse=True)


@pytest.mark.parametrize("channels", [1, 5])
def test_equals_a_normal_distribution_of_torch(channels: int) -> None:
    made, prototype = prior(channels, exact=True), some_prototype(0)
    x = 2 * torch.randn(20, channels, dtype=torch.float64)
    reference = Independent(Normal(made.mu(prototype).detach(), scale(made, prototype)), 1)
    torch.testing.assert_close(log_density(made, x, prototype), reference.log_prob(x))


def test_the_published_form_standardises_by_its_own_formula() -> None:
    made, prototype = prior(3, exact=False), some_prototype(0)
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64)
    z, log_det = made(x, prototype.expand(2, -1)[:, :, None, None])
    mu, sigma = (head(prototype)[None, :, None, None] for head in (made.mu, made.sigma))
    torch.testing.assert_close(z, (x - mu) / (sigma**2 + 1e-8).sqrt())
    assert not log_det.any()
    back, _ = made.inverse(z, prototype.expand(2, -1)[:, :, None, None])
    torch.testing.assert_close(back, x)


def test_the_exact_form_starts_as_the_identity() -> None:
    x = torch.randn(2, 3, 2, 2)
    z, log_det = ConceptGaussian(3, PROTOTYPE)(x, torch.randn(2, PROTOTYPE, 1, 1))
    assert torch.equal(z, x)
    assert not log_det.any()


@pytest.mark.parametrize("size", [1e3, 1e30])
def test_no_prototype_makes_the_exact_scale_vanish_or_explode(size: float) -> None:
    made = prior(2, exact=True).float()
    x = torch.ones(2, 2, 1, 1)
    prototype = torch.tensor([size, -size]).view(2, 1, 1, 1).expand(2, PROTOTYPE, 1, 1)
    _, log_det = made(x, prototype)
    assert float(log_det.detach().abs().max()) <= 2 * 3 + 1e-5


def test_standard_normal() -> None:
    z = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(standard_normal_log_prob(z), Normal(0.0, 1.0).log_prob(z).sum(1))
