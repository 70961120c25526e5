"""How LSR sees pictures: on which scale, and in training in which pose."""

import pytest
import torch
from lsr_samples import made_lsr, made_maps, small_lsr
from torch import Tensor

from normalis.detectors.lsr.augment import augmented
from normalis.detectors.lsr.scale import PictureScale
from normalis.detectors.records import Batch


def scans(count: int = 6) -> Tensor:
    """A grey disc of uneven brightness on black."""
    generator = torch.Generator().manual_seed(0)
    grid = torch.linspace(-1, 1, 24)
    inside = (grid[:, None] ** 2 + grid**2 < 0.6).float()
    return inside * (0.4 + 0.1 * torch.rand(count, 3, 24, 24, generator=generator))


def learned(*, by_picture: bool) -> PictureScale:
    scale = PictureScale(3, by_picture=by_picture)
    scale.learn([scans()[:4], scans()[4:]])
    return scale


@pytest.mark.parametrize("by_picture", [False, True])
def test_the_training_pictures_have_mean_0_and_variance_1(*, by_picture: bool) -> None:
    x = learned(by_picture=by_picture)(scans())
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(x.var((0, 2, 3), correction=0), torch.ones(3), atol=1e-3, rtol=0)


@pytest.mark.parametrize("by_picture", [False, True])
def test_there_is_a_way_back(*, by_picture: bool) -> None:
    scale, pictures = learned(by_picture=by_picture), scans() * 0.7
    x = scale(pictures)
    torch.testing.assert_close(scale.back(x, pictures), pictures)
    several = x[:, None].expand(-1, 2, -1, -1, -1)
    torch.testing.assert_close(scale.back(several, pictures)[:, 1], pictures)


def test_exposure_changes_nothing_where_each_picture_has_its_own_scale() -> None:
    scale = learned(by_picture=True)
    torch.testing.assert_close(scale(0.5 * scans()), scale(scans()), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(
        learned(by_picture=False)(0.5 * scans()), learned(by_picture=False)(scans())
    )


def test_a_bright_place_hardly_changes_the_scale_of_the_rest() -> None:
    scale, pictures = learned(by_picture=True), scans()
    marked = pictures.clone()
    marked[:, :, 8:12, 8:12] = 1.0
    before, after = scale(pictures)[:, :, 13:17], scale(marked)[:, :, 13:17]
    assert float((after - before).abs().max()) < 0.15


def test_contrast_is_the_spread_of_what_is_shown() -> None:
    """Background takes no part in it, and exposure does not change it."""
    scale, pictures = learned(by_picture=True), scans()
    grey = pictures.mean(1)
    wanted = torch.stack([x[x > 0].std(correction=0) for x in grey])
    wanted = wanted / scale.level(pictures).flatten() / scale.spread.mean()
    torch.testing.assert_close(scale.contrast(pictures).flatten(), wanted.clamp_min(0.1))
    torch.testing.assert_close(scale.contrast(0.5 * pictures), scale.contrast(pictures))
    assert scale.contrast(pictures).shape == (6, 1, 1)
    assert learned(by_picture=False).contrast(pictures).eq(1).all()


def test_a_black_picture_has_a_scale() -> None:
    scale, black = learned(by_picture=True), torch.zeros(2, 3, 8, 8)
    assert torch.isfinite(scale(black)).all()
    assert scale.contrast(black).gt(0).all()


# --- poses ---


def test_poses_are_drawn_by_torchs_chance_alone() -> None:
    pictures = scans()
    torch.manual_seed(0)
    first = augmented(pictures)
    torch.manual_seed(0)
    assert torch.equal(first, augmented(pictures))
    assert not torch.equal(first, augmented(pictures))


def test_a_pose_keeps_what_is_shown() -> None:
    """It moves a little: the brightness stays, and most of the disc lies where it lay."""
    torch.manual_seed(0)
    pictures = scans().repeat(8, 1, 1, 1)
    posed = augmented(pictures)
    assert posed.shape == pictures.shape
    assert float(posed.max()) <= float(pictures.max())
    assert float(posed.mean() / pictures.mean()) == pytest.approx(1, abs=0.05)
    same = ((posed > 0.2) == (pictures > 0.2)).float().mean()
    assert 0.85 < float(same) < 0.999


def test_half_of_the_poses_are_mirrored() -> None:
    torch.manual_seed(0)
    pictures = torch.zeros(64, 1, 24, 24)
    pictures[:, :, 4:20, 2:8] = 1
    posed = augmented(pictures)
    on_the_left = posed[..., :12].sum((1, 2, 3)) > posed[..., 12:].sum((1, 2, 3))
    assert 20 < int(on_the_left.sum()) < 44


@pytest.mark.parametrize("mode", [True, False], ids=["training", "evaluation"])
def test_poses_are_for_training_alone(*, mode: bool) -> None:
    losses: list[Tensor] = []
    for settings in (small_lsr(augmentation="scans"), small_lsr()):
        detector = made_lsr(settings).train(mode)
        torch.manual_seed(0)
        losses.append(detector.loss(Batch(made_maps(8))).total)
    assert torch.equal(*losses) != mode
