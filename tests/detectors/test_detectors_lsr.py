"""LSR: two stages, thresholds from held-out pictures, scores, restorations; and its baselines."""

from dataclasses import replace

import pytest
import torch
from lsr_samples import SHAPES, made_lsr, made_maps, small_lsr, trained_lsr

from normalis.autoencoder import VAE, VQVAE
from normalis.detectors.build import build_detector
from normalis.detectors.contract import LearnsInStages, PictureShapes
from normalis.detectors.lsr.detector import LSR
from normalis.detectors.lsr.maps import unlikelihood
from normalis.detectors.lsr.settings import PUBLISHED, LSRSettings
from normalis.detectors.records import Batch
from normalis.errors import SettingsError
from normalis.prior import CausalTransformer, PixelSNAIL

FORMS: dict[str, LSRSettings] = {
    "lsr": small_lsr(),
    "snail": small_lsr(prior="snail", codebook="gradient"),
    "grain": small_lsr(grain=1.0, shrink=2),
    "vqvae": small_lsr(score="reconstruction"),
    "vae": small_lsr(latent="gaussian", score="reconstruction"),
}
EVERY = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@pytest.fixture(scope="module")
def trained() -> LSR:
    return trained_lsr()


# --- learning ---


@EVERY
def test_each_stage_learns_its_own_part_and_no_other(form: LSRSettings) -> None:
    detector = made_lsr(form)
    assert isinstance(detector, LearnsInStages)
    parts = {"autoencoder": detector.autoencoder, "prior": detector.prior}
    for stage in detector.stages:
        detector.enter(stage)
        detector.train()
        before = {name: _state(part) for name, part in parts.items()}
        group = detector.parameter_groups()[0]
        optimizer = torch.optim.Adam(group.parameters, lr=1e-2)
        losses = detector.loss(Batch(made_maps(8)))
        losses.total.backward()
        optimizer.step()
        detector.update_codebooks(losses, torch.Generator().manual_seed(0))
        changed = {n for n, p in parts.items() if not _equal(before[n], _state(p))}
        assert changed == {stage}


def _state(part: torch.nn.Module | None) -> dict[str, torch.Tensor]:
    return {} if part is None else {k: v.clone() for k, v in part.state_dict().items()}


def _equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[key]) for key, value in one.items())


def test_no_gradient_of_the_first_stage_is_left_in_the_second() -> None:
    detector = made_lsr()
    detector.loss(Batch(made_maps(4))).total.backward()
    detector.enter("prior")
    assert all(p.grad is None for p in detector.parameters())
    detector.loss(Batch(made_maps(4))).total.backward()
    assert all(p.grad is None for p in detector.autoencoder.parameters())


def test_the_baseline_has_the_autoencoder_of_the_detector() -> None:
    """Same seed, same start: what differs between them is the score alone."""
    one, other = made_lsr(small_lsr()), made_lsr(small_lsr(score="reconstruction"))
    assert _equal(_state(one.autoencoder), _state(other.autoencoder))


def test_a_fit_starts_from_its_seed_alone() -> None:
    torch.manual_seed(1)
    one = _state(made_lsr())
    torch.manual_seed(2)
    assert _equal(one, _state(made_lsr()))


def test_pictures_are_standardised_by_the_training_ones() -> None:
    detector = made_lsr()
    maps = torch.cat([made_maps(8, seed=s)[0] for s in range(3)])
    assert float(detector.scale.mean) == pytest.approx(float(maps.mean()), rel=1e-4)
    assert float(detector.scale.spread) == pytest.approx(float(maps.std()), rel=1e-2)


# --- scores ---


@EVERY
def test_a_score_is_a_function_of_one_picture(form: LSRSettings) -> None:
    detector = trained_lsr(form, steps=5)
    maps = made_maps(5, mark=True)[0]
    together = detector.score([maps])
    for row in range(5):
        alone = detector.score([maps[row : row + 1]])
        torch.testing.assert_close(alone.maps[0], together.maps[row], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(alone.image[0], together.image[row], rtol=1e-4, atol=1e-5)
    assert together.maps.shape == (5, 16, 16)
    assert together.concept.tolist() == [0] * 5


@EVERY
def test_a_saved_detector_gives_the_same_scores(form: LSRSettings) -> None:
    detector = trained_lsr(form, steps=5)
    other = build_detector(form, SHAPES, concepts=1, seed=7).eval()
    other.load_state_dict(detector.state_dict())
    maps = made_maps(3, mark=True)
    assert torch.equal(detector.score(maps).maps, other.score(maps).maps)
    assert torch.equal(detector.score(maps).image, other.score(maps).image)


def test_what_does_not_belong_scores_higher(trained: LSR) -> None:
    good, bad = (
        trained.score(made_maps(8, seed=70)),
        trained.score(made_maps(8, seed=70, mark=True)),
    )
    assert float(bad.image.min()) > float(good.image.max())


def test_the_map_points_at_what_does_not_belong(trained: LSR) -> None:
    maps = trained.score(made_maps(8, seed=70, mark=True)).maps
    for row in range(8):
        place = int(maps[row].argmax())
        left = 8 - 8 * (row % 2)
        assert place // 16 >= 10
        assert left - 1 <= place % 16 < left + 9


def test_the_map_is_the_difference_from_the_mean_restoration_or_the_mean_difference() -> None:
    maps = made_maps(4, mark=True)
    for compared in ("mean", "each"):
        settings = small_lsr(compared=compared, erosion=1, smoothing=1)
        detector = trained_lsr(settings, steps=5)
        found, x = detector.restorations(maps), detector.scale(maps[0])
        pictures = torch.stack([detector.scale(found.pictures[:, i]) for i in range(3)], 1)
        weights = found.weights[:, :, None, None, None]
        if compared == "mean":
            wanted = (x - (weights * pictures).sum(1)).abs()
        else:
            wanted = (weights * (pictures - x[:, None]).abs()).sum(1)
        torch.testing.assert_close(detector.score(maps).maps, wanted[:, 0], rtol=1e-3, atol=1e-4)


def test_a_difference_counts_by_how_unlikely_its_codes_are() -> None:
    maps = made_maps(4, mark=True)
    plain, weighed = (trained_lsr(small_lsr(weighed=w), steps=5) for w in (False, True))
    nll = weighed.restorations(maps).nll
    weight = unlikelihood(nll, size=(16, 16), smoothing=3)
    assert weight.gt(0).all()
    torch.testing.assert_close(weighed.score(maps).maps, plain.score(maps).maps * weight)


def test_the_restored_picture_is_nearer_to_what_is_usual(trained: LSR) -> None:
    usual, marked = made_maps(8, seed=70), made_maps(8, seed=70, mark=True)
    restored = trained.restorations(marked)
    assert restored.pictures.shape == (8, 3, 1, 16, 16)
    torch.testing.assert_close(restored.weights.sum(1), torch.ones(8))
    before = (marked[0] - usual[0]).abs()[:, :, 12:].mean()
    after = (restored.mean - usual[0]).abs()[:, :, 12:].mean()
    assert float(after) < 0.7 * float(before)


def test_scores_show_the_restored_picture_where_it_is_one() -> None:
    shapes = PictureShapes((16, 16), ((3, 16, 16),))
    for form in FORMS.values():
        detector = build_detector(form, shapes, concepts=1, seed=0).eval()
        restored = detector.score([torch.rand(2, 3, 16, 16)]).restored
        assert restored is not None
        assert restored.shape == (2, 3, 16, 16)
        assert 0 <= float(restored.min()) <= float(restored.max()) <= 1
    assert made_lsr().eval().score(made_maps(2)).restored is None


def test_thresholds_are_percentiles_of_held_out_likelihoods(trained: LSR) -> None:
    held_out = [made_maps(8, seed=s) for s in range(50, 56)]
    nll = torch.cat([trained.restorations(maps).nll.flatten() for maps in held_out])
    beyond = [float((nll > threshold).float().mean()) for threshold in trained.thresholds]
    assert beyond[0] <= 0.02
    assert beyond[1] <= 0.10
    assert float(trained.thresholds[0]) >= float(trained.thresholds[1])


def test_published_thresholds_stay() -> None:
    detector = trained_lsr(small_lsr(found_thresholds=False), steps=2)
    assert detector.thresholds.tolist() == [7.0, 5.0]


def test_the_sample_score_sums_what_lies_beyond_the_threshold(trained: LSR) -> None:
    maps = made_maps(4, mark=True)
    nll = trained.restorations(maps).nll.flatten(1)
    wanted = torch.where(nll > trained.thresholds[0], nll, 0.0).sum(1)
    torch.testing.assert_close(trained.score(maps).image, wanted)


@EVERY
def test_image_scores_alone_are_those_beside_the_maps(form: LSRSettings) -> None:
    detector = trained_lsr(form, steps=5)
    maps = made_maps(4, mark=True)
    torch.testing.assert_close(detector.image_scores(maps), detector.score(maps).image)


def test_a_baseline_scores_by_its_reconstruction() -> None:
    detector = trained_lsr(FORMS["vae"], steps=5)
    maps = made_maps(4)
    x = detector.scale(maps[0])
    difference = (x - detector.autoencoder(x).pictures).abs().mean(1)
    torch.testing.assert_close(detector.score(maps).image, difference.mean((1, 2)))


# --- composition ---


def test_the_published_form_is_what_was_published() -> None:
    shapes = PictureShapes((160, 160), ((3, 160, 160),))
    detector = build_detector(PUBLISHED, shapes, concepts=1, seed=0)
    assert isinstance(detector, LSR)
    assert isinstance(detector.autoencoder, VQVAE)
    assert isinstance(detector.prior, PixelSNAIL)
    assert detector.prior.grid == (20, 20)
    assert detector.chance.shape == (15, 400)


def test_forms() -> None:
    assert isinstance(made_lsr(FORMS["vae"]).autoencoder, VAE)
    assert made_lsr(FORMS["vae"]).prior is None
    assert isinstance(made_lsr().prior, CausalTransformer)


def test_it_restores_any_map_of_a_pyramid() -> None:
    """Features of a network are restored as pictures are; the map has the picture's size."""
    shapes = PictureShapes((32, 32), ((3, 32, 32), (5, 8, 8)))
    settings = small_lsr(level=1)
    detector = build_detector(settings, shapes, concepts=1, seed=0).eval()
    scores = detector.score([torch.rand(2, 3, 32, 32), torch.rand(2, 5, 8, 8)])
    assert scores.maps.shape == (2, 32, 32)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"widths": (8,)}, "lsr.widths"),
        ({"stem": 3}, "lsr.stem is 3"),
        ({"latent": "gaussian"}, "no codes to restore"),
        ({"erosion": 2}, "lsr.erosion is 2"),
        ({"smoothing": 0}, "lsr.smoothing is 0"),
        ({"across": 4}, "lsr.across is 4"),
        ({"sample_share": 1.0}, "lsr.sample_share"),
        ({"codes": 1}, "lsr.codes is 1"),
        ({"restorations": 0}, "lsr.restorations is 0"),
        ({"prior_width": 30}, "lsr.prior_width is 30"),
        ({"level": -1}, "lsr.level is -1"),
        ({"shrink": 0}, "lsr.shrink is 0"),
        ({"grain": -1.0}, "lsr.grain is -1"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        replace(small_lsr(), **changes)  # pyright: ignore[reportArgumentType]


def test_what_does_not_fit_the_picture_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"lsr\.level is 1"):
        build_detector(small_lsr(level=1), SHAPES, concepts=1, seed=0)
    shapes = PictureShapes((100, 100), ((3, 100, 102),))
    with pytest.raises(SettingsError, match="nearest allowed is 100 or 104"):
        build_detector(small_lsr(), shapes, concepts=1, seed=0)
    features = PictureShapes((32, 32), ((5, 8, 8),))
    with pytest.raises(SettingsError, match=r"lsr\.scale is picture"):
        build_detector(small_lsr(scale="picture"), features, concepts=1, seed=0)
    with pytest.raises(SettingsError, match="nearest allowed is 16 or 24"):
        build_detector(
            small_lsr(shrink=2), PictureShapes((20, 20), ((1, 20, 20),)), concepts=1, seed=0
        )


@torch.no_grad()
def test_a_graph_has_the_scores_and_says_that_its_map_is_another(trained: LSR) -> None:
    detector, maps = trained, made_maps(6, mark=True)
    whole, graph = detector.score(maps), detector.score_in_graph(maps)
    torch.testing.assert_close(graph.image, whole.image)
    assert graph.maps.shape == whole.maps.shape
    stated = detector.graph_map
    assert stated is not None
    assert "unlikely" in stated.meaning
    # Places are marked where restoration would draw anew: there the pictures' bars are.
    assert stated.high == float(detector.thresholds[1])
    assert float(graph.maps[:, 12:].amax()) > stated.high


def test_a_baseline_has_one_map_everywhere() -> None:
    detector = made_lsr(small_lsr(score="reconstruction"))
    assert detector.graph_map is None
    assert detector.no_graph is None
