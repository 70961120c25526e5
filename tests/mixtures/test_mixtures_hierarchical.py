"""The hierarchical mixture: its densities against their laws, torch's and zuko's mixtures."""

import math
from collections.abc import Callable

import pytest
import torch
import zuko
from mixtures_samples import DENSITIES, SHAPES, Density, Shape, latents, mixture
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.distributions.distribution import Distribution

from normalis.mixtures import HierarchicalMixture

every_density = pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def a_label(batch: int, classes: int) -> Tensor:
    return torch.arange(batch) % classes


# --- how it starts ---


def distances(made: HierarchicalMixture) -> Tensor:
    return torch.pdist(made.main.detach())


@pytest.mark.parametrize("channels", [24, 112, 384])
@pytest.mark.parametrize("classes", [1, 15, 40, 200])
def test_main_centres_start_about_five_apart(classes: int, channels: int) -> None:
    torch.manual_seed(0)
    made = HierarchicalMixture(classes, channels, centres=2)
    found = distances(made)
    if classes <= channels:
        layout = torch.zeros(classes, channels)
        for block in range(channels // classes):
            for y in range(classes):
                layout[y, block * classes + y] = 5 / math.sqrt(math.floor(2 * channels / classes))
        torch.testing.assert_close(made.main.detach(), layout)
        # One block of 2D/Y just below 3 is the published formula at its closest.
        assert ((found > 5 * math.sqrt(2 / 3) - 1e-3) & (found < 5 + 1e-3)).all()
    else:
        assert found.mean().item() == pytest.approx(5, abs=0.1)
        assert found.min().item() > 2


def test_the_other_parameters_start_as_published() -> None:
    torch.manual_seed(0)
    made = HierarchicalMixture(5, 40)
    assert made.deltas.shape == (5, 9, 40)
    assert made.deltas.mean().item() == pytest.approx(0, abs=0.1)
    assert made.deltas.std().item() == pytest.approx(1, abs=0.1)
    assert not made.class_logits.any()
    assert made.centre_logits.shape == (5, 10)
    assert not made.centre_logits.any()


# --- the densities ---


@every_density
@pytest.mark.parametrize("channels", [1, 2])
def test_a_density_integrates_to_one(density: Density, channels: int) -> None:
    made = mixture(Shape(classes=3, channels=channels, centres=2))
    axis = torch.linspace(-15, 15, 181, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid([axis] * channels, indexing="ij")).view(channels, 181, -1)
    for label in range(3):
        values = density.log_prob(made, grid[None], torch.tensor([label]))[0].exp()
        if channels == 1:
            mass = torch.trapezoid(values[:, 0], axis)
        else:
            mass = torch.trapezoid(torch.trapezoid(values, axis), axis)
        assert mass.item() == pytest.approx(1, abs=1e-9)


def of_torch(logits: Tensor, centres: Tensor) -> Distribution:
    parts = Independent(Normal(centres, torch.ones_like(centres)), 1)
    return MixtureSameFamily(Categorical(logits=logits), parts)


def of_zuko(logits: Tensor, centres: Tensor) -> Distribution:
    parts = zuko.distributions.DiagNormal(centres, torch.ones_like(centres))
    return zuko.distributions.Mixture(parts, logits)


@pytest.mark.parametrize("oracle", [of_torch, of_zuko])
@every_shape
@every_density
def test_a_density_is_that_of_other_libraries(
    density: Density, shape: Shape, oracle: Callable[[Tensor, Tensor], Distribution]
) -> None:
    made, z = mixture(shape), latents(shape.channels)
    label = a_label(len(z), shape.classes)
    found = density.log_prob(made, z, label)
    for picture, y, row in zip(z, label, found, strict=True):
        weights, centres = zip(*density.parts(made, int(y)), strict=True)
        expected = oracle(torch.stack(weights).log(), torch.stack(centres))
        torch.testing.assert_close(row, expected.log_prob(picture.permute(1, 2, 0)))


@every_density
def test_one_class_of_one_centre_is_a_moved_normal(density: Density) -> None:
    made, z = mixture(Shape(1, 3, 1)), latents(3)
    moved = z - made.main[0][:, None, None]
    expected = Normal(0.0, 1.0).log_prob(moved).sum(1)
    torch.testing.assert_close(density.log_prob(made, z, a_label(4, 1)), expected)


@every_shape
def test_all_is_the_mixture_of_the_classes_own(shape: Shape) -> None:
    made, z = mixture(shape), latents(shape.channels)
    own = [made.log_prob_of_class(z, torch.full((4,), y)) for y in range(shape.classes)]
    priors = made.class_logits.log_softmax(0)
    expected = (torch.stack(own) + priors[:, None, None, None]).logsumexp(0)
    torch.testing.assert_close(made.log_prob_all(z), expected)


@every_shape
def test_without_deltas_the_hierarchy_is_flat(shape: Shape) -> None:
    made, z = mixture(shape), latents(shape.channels)
    torch.nn.init.zeros_(made.deltas)
    torch.testing.assert_close(made.log_prob_all(z), made.log_prob(z))


@every_density
def test_no_density_exceeds_a_unit_gaussians(density: Density) -> None:
    """So a log-density is never near zero, and its relative error means something."""
    made, z = mixture(Shape(3, 7, 4)), latents(7, scale=0.5)
    z[0, :, 0, 0] = made.main[0].detach()
    found = density.log_prob(made, z, a_label(4, 3))
    assert (found <= -7 / 2 * math.log(2 * math.pi)).all()


# --- posterior and entropy ---


@pytest.mark.parametrize("with_priors", [False, True])
@every_shape
def test_the_posterior_is_bayes_rule(shape: Shape, *, with_priors: bool) -> None:
    made, z = mixture(shape), latents(shape.channels)
    found = made.posterior(z, with_priors=with_priors)
    weights = made.class_logits.softmax(0) if with_priors else torch.ones(shape.classes)
    parts = Independent(Normal(made.main, torch.ones_like(made.main)), 1)
    joint = weights * parts.log_prob(z.permute(0, 2, 3, 1)[..., None, :]).exp()
    expected = (joint / joint.sum(-1, keepdim=True)).permute(0, 3, 1, 2)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("with_priors", [False, True])
def test_reordered_classes_reorder_the_posterior_alone(*, with_priors: bool) -> None:
    made, z = mixture(Shape(5, 3, 2)), latents(3)
    before = made.posterior(z, with_priors=with_priors), made.log_prob_all(z), made.entropy(z)
    order = torch.tensor([3, 0, 4, 1, 2])
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(parameter[order])
    after = made.posterior(z, with_priors=with_priors), made.log_prob_all(z), made.entropy(z)
    torch.testing.assert_close(after[0], before[0][:, order])
    torch.testing.assert_close(after[1:], before[1:])


@every_shape
def test_entropy_is_that_of_the_posterior_and_within_its_bounds(shape: Shape) -> None:
    made, z = mixture(shape), latents(shape.channels)
    found = made.entropy(z)
    torch.testing.assert_close(found, torch.special.entr(made.posterior(z)).sum(1))
    assert found.min().item() >= 0
    assert found.max().item() <= math.log(shape.classes) + 1e-12


def test_entropy_at_known_places() -> None:
    made = mixture(Shape(2, 2, 1))
    with torch.no_grad():
        made.main.copy_(torch.tensor([[-20.0, 0.0], [20.0, 0.0]]))
    z = torch.tensor([[-20.0, 0.0, 20.0], [5.0, 5.0, 5.0]])[None, :, None].double()
    expected = torch.tensor([0.0, math.log(2), 0.0], dtype=torch.float64)
    torch.testing.assert_close(made.entropy(z)[0, 0], expected)


def test_entropy_can_be_learned_from_where_a_class_is_certain() -> None:
    made, z = mixture(Shape(3, 2, 1)), latents(2, scale=1e3).requires_grad_()
    made.entropy(z).sum().backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()


# --- numbers ---


@every_density
@pytest.mark.parametrize("scale", [0.1, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize(
    "shape", [Shape(15, 24, 10), Shape(40, 112, 10), Shape(200, 112, 3), Shape(200, 384, 3)]
)
def test_single_precision_is_enough(density: Density, shape: Shape, scale: float) -> None:
    made, z = mixture(shape), latents(shape.channels, scale=scale)
    label = a_label(4, shape.classes)
    fine = density.log_prob(made, z, label)
    coarse = density.log_prob(made.float(), z.float(), label)
    assert coarse.dtype == torch.float32
    torch.testing.assert_close(coarse.double(), fine, rtol=1e-5, atol=0)


def test_single_precision_is_enough_for_posterior_and_entropy() -> None:
    made, z = mixture(Shape(40, 112, 1), spread=0.3), latents(112)
    fine = made.posterior(z), made.entropy(z)
    assert fine[1].mean().item() > 0.5, "nothing would be asked of the small numbers"
    coarse = made.float().posterior(z.float()), made.entropy(z.float())
    torch.testing.assert_close(coarse[0].double(), fine[0], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(coarse[1].double(), fine[1], rtol=1e-4, atol=1e-7)


@every_density
def test_mixed_precision_rounds_nothing_more_than_the_latents(density: Density) -> None:
    made, z = mixture(Shape(3, 7, 4)).float(), latents(7).bfloat16()
    label = a_label(4, 3)
    expected = density.log_prob(made, z.float(), label)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = density.log_prob(made, z, label)
    torch.testing.assert_close(found, expected)


@every_density
def test_a_picture_is_judged_alone(density: Density) -> None:
    made, z = mixture(Shape(3, 7, 4)), latents(7, batch=5)
    label = a_label(5, 3)
    together = density.log_prob(made, z, label)
    alone = [density.log_prob(made, z[i : i + 1], label[i : i + 1]) for i in range(5)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_posterior_and_entropy_judge_a_picture_alone() -> None:
    made, z = mixture(Shape(3, 7, 4)), latents(7, batch=5)
    for question in (made.posterior, made.entropy):
        alone = [question(z[i : i + 1]) for i in range(5)]
        torch.testing.assert_close(question(z), torch.cat(alone))
