"""The objective of HGAD: each term by METHODS §2.3, written densely, and what learns from it."""

import math
from dataclasses import fields

import pytest
import torch
from mixtures_samples import SHAPES, Shape, latents, mixture
from torch import Tensor

from normalis.mixtures import HierarchicalMixture, HierarchicalTerms

every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)

TERMS = [field.name for field in fields(HierarchicalTerms)]

# Which leaves learn from which term (METHODS §2.3).
LEARN = {
    "inter": {"main", "class_logits", "z", "log_det"},
    "information": {"main", "z"},
    "intra": {"deltas", "centre_logits", "z", "log_det"},
    "likelihood": {"deltas", "centre_logits", "z", "log_det"},
    "entropy": {"main", "z"},
}


def inputs(shape: Shape) -> tuple[HierarchicalMixture, Tensor, Tensor, Tensor]:
    """A mixture, latents and log-determinants that can learn, and labels."""
    made, z = mixture(shape), latents(shape.channels)
    generator = torch.Generator().manual_seed(2)
    log_det = torch.randn(4, 3, 2, generator=generator, dtype=torch.float64)
    return made, z.requires_grad_(), log_det.requires_grad_(), torch.arange(4) % shape.classes


def dense_terms(
    made: HierarchicalMixture, z: Tensor, log_det: Tensor, label: Tensor
) -> dict[str, Tensor]:
    """METHODS §2.3 word for word: differences of all latents and all centres, sg where it says."""
    classes, D = made.main.shape
    x, J = z.permute(0, 2, 3, 1), log_det
    main, log_pi = made.main, made.class_logits.log_softmax(0)
    q = -0.5 * (x[..., None, :] - main).square().sum(-1)
    smooth = 0.98 * torch.eye(classes).double()[label] + 0.02 / classes
    gains = (q + log_pi.detach()).log_softmax(-1) - log_pi.detach()
    own = main[label].detach()[:, None, None]
    centres = [own, *(own + delta[:, None, None] for delta in made.deltas[label].unbind(1))]
    squares = torch.stack([(x - centre).square().sum(-1) for centre in centres], -1)
    log_rho = made.centre_logits.log_softmax(1)[label][:, None, None]
    within = (-0.5 * squares + log_rho).logsumexp(-1) + J
    logistic = 1 / (1 + torch.exp(-(within - D / 2 * math.log(2 * math.pi)) / D))
    p = q.softmax(-1)
    return {
        "inter": (-(q + log_pi).logsumexp(-1) - J).mean() / D,
        "information": (smooth[:, None, None] * gains).sum(-1).mean(),
        "intra": -within.mean() / D,
        "likelihood": -logistic.log().mean(),
        "entropy": -(p * p.log()).sum(-1).mean(),
    }


def gradients(
    term: Tensor, made: HierarchicalMixture, z: Tensor, log_det: Tensor
) -> dict[str, Tensor]:
    """The gradient of a term for every leaf; zeros where there is none."""
    leaves = {**dict(made.named_parameters()), "z": z, "log_det": log_det}
    found = torch.autograd.grad(
        term, list(leaves.values()), retain_graph=True, materialize_grads=True, allow_unused=True
    )
    return dict(zip(leaves, found, strict=True))


@every_shape
def test_terms_and_their_gradients_are_the_dense_ones(shape: Shape) -> None:
    made, z, log_det, label = inputs(shape)
    found = made.terms(z, log_det, label=label)
    expected = dense_terms(made, z, log_det, label)
    for name in TERMS:
        ours, theirs = getattr(found, name), expected[name]
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(
            gradients(ours, made, z, log_det), gradients(theirs, made, z, log_det)
        )


@pytest.mark.parametrize("name", TERMS)
def test_a_term_teaches_exactly_what_it_should(name: str) -> None:
    made, z, log_det, label = inputs(Shape(3, 7, 4))
    term = getattr(made.terms(z, log_det, label=label), name)
    reached = {leaf for leaf, g in gradients(term, made, z, log_det).items() if g.any()}
    assert reached == LEARN[name]


def test_one_class_of_one_centre_has_nothing_to_tell_apart() -> None:
    made, z, log_det, label = inputs(Shape(1, 3, 1))
    terms = made.terms(z, log_det, label=label)
    assert terms.information.item() == 0
    assert terms.entropy.item() == 0
    torch.testing.assert_close(terms.inter, terms.intra)


@pytest.mark.parametrize("classes", [2, 5])
def test_information_is_the_latents_gain_over_the_prior(classes: int) -> None:
    """On the right centres, far apart: what 0.98 of the labels gain, less what smoothing costs."""
    made = mixture(Shape(classes, classes, 1))
    radius = 3.0
    with torch.no_grad():
        made.main.copy_(radius * torch.eye(classes))
        made.class_logits.zero_()
    label = torch.arange(classes)
    z = made.main.detach()[:, :, None, None]
    odds = math.exp(-(radius**2))  # of one other class, two radii at right angles away
    own = math.log(classes) - math.log(1 + (classes - 1) * odds)
    other = own - radius**2
    share = 0.02 / classes
    expected = (0.98 + share) * own + (classes - 1) * share * other
    found = made.terms(z, torch.zeros(classes, 1, 1), label=label).information
    assert found.item() == pytest.approx(expected)


def test_a_wrong_label_is_worse() -> None:
    made, _, _, label = inputs(Shape(3, 7, 4))
    z = made.main.detach()[label][:, :, None, None]
    log_det = torch.zeros(4, 1, 1)
    right = made.terms(z, log_det, label=label)
    wrong = made.terms(z, log_det, label=(label + 1) % 3)
    assert right.information > wrong.information
    assert right.intra < wrong.intra
    assert right.likelihood < wrong.likelihood
    assert right.inter == wrong.inter
    assert right.entropy == wrong.entropy


def test_likelihood_stays_finite_where_a_latent_is_far_away() -> None:
    made, z, log_det, label = inputs(Shape(3, 7, 4))
    far = (1e4 * z).detach().requires_grad_()
    term = made.terms(far, log_det, label=label).likelihood
    (gradient,) = torch.autograd.grad(term, far)
    assert term.isfinite()
    assert gradient.isfinite().all()
    assert gradient.any()


@pytest.mark.parametrize("shape", [Shape(15, 24, 10), Shape(40, 112, 10), Shape(200, 384, 3)])
def test_single_precision_is_enough_for_the_terms(shape: Shape) -> None:
    made, z, log_det, label = inputs(shape)
    fine = made.terms(z, log_det, label=label)
    coarse = made.float().terms(z.float(), log_det.float(), label=label)
    for name in TERMS:
        ours, theirs = getattr(coarse, name).double(), getattr(fine, name)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("centres", [1, 3])
def test_a_step_down_the_objective_lowers_it(centres: int) -> None:
    """With one centre a class there are no deltas, and an optimiser takes that too."""
    made, z, log_det, label = inputs(Shape(3, 7, centres))
    optimiser = torch.optim.Adam(made.parameters(), lr=1e-3)

    def objective() -> Tensor:
        terms = made.terms(z.detach(), log_det.detach(), label=label)
        return terms.inter - terms.information + terms.intra + terms.likelihood + terms.entropy

    before = objective()
    before.backward()
    optimiser.step()
    assert objective().item() < before.item()
