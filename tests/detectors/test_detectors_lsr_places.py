"""LSR of slices that know where in their volume they lie (METHODS §3.1, §3.2)."""

import pytest
import torch
from lsr_samples import LOCATED, SHAPES, learn, located_maps, small_lsr

from normalis.detectors.build import build_detector
from normalis.detectors.lsr.detector import LSR
from normalis.detectors.lsr.settings import LSRSettings

FORMS: dict[str, LSRSettings] = {
    "transformer": small_lsr(),
    "snail": small_lsr(prior="snail"),
    "vae": small_lsr(latent="gaussian", score="reconstruction"),
}


def located_lsr(form: LSRSettings, *, steps: int) -> LSR:
    detector = build_detector(form, LOCATED, concepts=1, seed=0)
    assert isinstance(detector, LSR)
    detector.train()
    detector.initialise(lambda: iter([located_maps(16, seed=s) for s in range(3)]), seed=0)
    learn(detector, lambda seed: located_maps(16, seed=seed), steps=steps)
    detector.set_scale(located_maps(16, seed=s) for s in range(50, 53))
    return detector


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_score_depends_on_the_place(form: LSRSettings) -> None:
    detector = located_lsr(form, steps=5)
    pictures, where = located_maps(6)
    one = detector.score([pictures, where])
    other = detector.score([pictures, where.roll(1, 0)])
    assert detector.located
    assert not torch.allclose(one.maps, other.maps)
    torch.testing.assert_close(detector.score([pictures, where.clone()]).maps, one.maps)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_each_slice_is_judged_by_its_own_place(form: LSRSettings) -> None:
    detector = located_lsr(form, steps=5)
    pictures, where = located_maps(4)
    together = detector.score([pictures, where])
    for row in range(4):
        alone = detector.score([pictures[row : row + 1], where[row : row + 1]])
        torch.testing.assert_close(alone.maps[0], together.maps[row], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(alone.image[0], together.image[row], rtol=1e-4, atol=1e-5)


def test_a_slice_in_the_wrong_place_is_less_likely() -> None:
    detector = located_lsr(small_lsr(), steps=60)
    pictures, where = located_maps(32, seed=70)
    right = detector.restorations([pictures, where]).nll.mean()
    wrong = detector.restorations([pictures, -where]).nll.mean()
    assert float(wrong) > 1.3 * float(right)


def test_pictures_without_a_place_have_no_plane_for_it() -> None:
    located, plain = (
        build_detector(small_lsr(), shapes, concepts=1, seed=0) for shapes in (LOCATED, SHAPES)
    )
    assert located.located
    assert not plain.located
    first = "autoencoder.encoder.layers.0.weight"
    assert located.state_dict()[first].shape[1] == plain.state_dict()[first].shape[1] + 1


def test_a_model_of_places_is_no_graph() -> None:
    detector = build_detector(FORMS["vae"], LOCATED, concepts=1, seed=0)
    assert detector.no_graph is not None
    assert "place in the volume" in detector.no_graph
