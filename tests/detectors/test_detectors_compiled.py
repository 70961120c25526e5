"""The compiled form scores as the dense one, on every concept and level, and loads by default."""

import pytest
import torch
from detector_forms import FORMS, ready
from hgad_forms import FORMS as HGAD_FORMS
from hgad_forms import levels_of
from hgad_forms import ready as ready_hgad

from normalis.detectors.vqflow.detector import VQFlow
from normalis.flows.folded import FoldedFlow
from normalis.flows.placed import PlacedFlow
from small_world import made_maps, small_settings

SETTINGS = {
    **FORMS,
    "3x3": small_settings(kernel=3),
    "no fusion": small_settings(fusion=False),
    "two levels": small_settings(levels=(0, 2)),
}


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return float((one - other).abs().max() / one.abs().max())


@torch.no_grad()
@pytest.mark.parametrize("name", SETTINGS)
def test_scores_are_the_dense_ones(name: str) -> None:
    dense, maps = ready(SETTINGS[name]), made_maps(12, seed=3)
    compiled = dense.compile()
    one, other = dense.score(maps), compiled.score(maps)
    assert torch.equal(one.concept, other.concept)
    assert apart(one.maps, other.maps) < 1e-4
    assert apart(one.image, other.image) < 1e-4
    paper, other_paper = dense.paper_scores(maps), compiled.paper_scores(maps)
    assert apart(paper.additive, other_paper.additive) < 1e-4
    if SETTINGS[name].found_concepts and SETTINGS[name].condition == "vq":
        assert len(one.concept.unique()) == 3, "every concept is compared"


@torch.no_grad()
@pytest.mark.parametrize("name", SETTINGS)
def test_latents_are_the_dense_ones_at_every_level_and_border(name: str) -> None:
    dense, maps = ready(SETTINGS[name]), made_maps(12, seed=3)
    one, other = dense.latents(maps), dense.compile().latents(maps)
    for a, b in zip([*one.z, *one.log_dets], [*other.z, *other.log_dets], strict=True):
        assert apart(a, b) < 1e-4


def test_only_a_condition_of_codes_is_folded() -> None:
    assert isinstance(ready(SETTINGS["default"]).compile().flows[0], FoldedFlow)
    plain = ready(SETTINGS["no codes"])
    assert plain.compile() is plain


@torch.no_grad()
@pytest.mark.parametrize("name", HGAD_FORMS)
def test_scores_of_hgad_are_the_dense_ones(name: str) -> None:
    dense, maps = ready_hgad(name), made_maps(12, seed=3)
    compiled = dense.compile()
    assert all(isinstance(level.flow, PlacedFlow) for level in levels_of(compiled))
    one, other = dense.score(maps), compiled.score(maps)
    assert torch.equal(one.concept, other.concept)
    assert apart(one.maps, other.maps) < 1e-4
    assert apart(one.image, other.image) < 1e-4
    assert one.probability is not None
    assert other.probability is not None
    assert apart(one.probability, other.probability) < 1e-4
    published = [detector.paper_scores(maps).image for detector in (dense, compiled)]
    torch.testing.assert_close(*published, rtol=1e-4, atol=1e-6)


def test_compiling_leaves_the_dense_form_as_it_was() -> None:
    dense = ready(SETTINGS["default"])
    before = {name: value.clone() for name, value in dense.state_dict().items()}
    compiled = dense.compile()
    assert isinstance(compiled, VQFlow)
    assert not compiled.training
    after = dense.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_detector_in_training_is_not_compiled() -> None:
    with pytest.raises(AssertionError):
        ready(SETTINGS["default"]).train().compile()
