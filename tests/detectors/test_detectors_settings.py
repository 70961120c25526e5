"""Settings: each switch builds and trains, and what cannot work is refused by name."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from normalis.detectors.contract import AbstractDetector, PictureShapes
from normalis.detectors.records import Batch, Losses
from normalis.errors import SettingsError
from small_world import FOUR_MAPS, TWO_MAPS, made_detector, made_maps, small_settings

# Every switch turned away from the default, one at a time.
SWITCHES = {
    "found_concepts": False,
    "whitening": "none",
    "data_codes": False,
    "exact_prior": False,
    "per_dimension": False,
    "absolute_score": False,
    "score_log_det": not small_settings().score_log_det,
    "fusion": not small_settings().fusion,
    "kernel": 3,
    "hidden": 0,
    "condition": "position",
    "levels": (0, 2),
    "blocks": (1, 2, 3),
    "smoothing": 0.0,
    "memory": 0,
    "memory_by_code": not small_settings().memory_by_code,
    "neighbourhood": (1, 5, 3),
    "memory_levels": (3, 0, 2),
    "image_score": "map",
}


def step(
    detector: AbstractDetector, maps: list[Tensor], optimizer: torch.optim.Optimizer
) -> Losses:
    losses = detector.loss(Batch(maps))
    optimizer.zero_grad()
    losses.total.backward()
    optimizer.step()
    detector.update_codebooks(losses, torch.Generator().manual_seed(0))
    return losses


@pytest.mark.parametrize("name", SWITCHES)
def test_each_switch_builds_and_trains(name: str) -> None:
    settings = replace(small_settings(), **{name: SWITCHES[name]})
    assert settings != small_settings(), "the switch differs from the default"
    detector, maps = made_detector(settings), made_maps(8)
    optimizer = torch.optim.Adam(detector.parameters(), lr=1e-3)
    before = {key: value.clone() for key, value in detector.named_parameters()}
    for _ in range(2):
        assert torch.isfinite(step(detector, maps, optimizer).total)
    moved = [
        key for key, value in detector.named_parameters() if not torch.equal(before[key], value)
    ]
    assert moved
    detector.eval()
    detector.set_scale([made_maps(9, seed=4)])
    assert detector.score(maps).maps.isfinite().all()


def test_every_parameter_learns() -> None:
    """None is left without a gradient by the default form."""
    detector = made_detector()
    detector.loss(Batch(made_maps(8))).total.backward()
    idle = [
        name
        for name, p in detector.named_parameters()
        if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert idle == []


@pytest.mark.parametrize(
    ("changes", "shapes", "words"),
    [
        ({"levels": (0, 4)}, FOUR_MAPS, "levels"),
        ({"levels": (-1,)}, FOUR_MAPS, "levels"),
        ({"blocks": (1, 2)}, FOUR_MAPS, "blocks"),
        ({"blocks": (2, 5, 8)}, TWO_MAPS, "blocks"),
        ({"memory_levels": (0, 4)}, FOUR_MAPS, "memory_levels"),
        ({"neighbourhood": (1, 3)}, FOUR_MAPS, "neighbourhood has 2 numbers for 3"),
    ],
)
def test_settings_that_do_not_fit_the_pyramid_are_refused(
    changes: dict[str, object], shapes: PictureShapes, words: str
) -> None:
    with pytest.raises(SettingsError, match=f"vqflow.{words}"):
        made_detector(small_settings(**changes), shapes)


@pytest.mark.parametrize(
    "changes",
    [
        {"blocks": ()},
        {"blocks": (0,)},
        {"kernel": 2},
        {"neighbourhood": 2},
        {"neighbourhood": 0},
        {"neighbourhood": (3, 4)},
        {"neighbourhood": ()},
        {"position_width": 6},
        {"position_width": 0},
        {"top_share": 0.0},
        {"top_share": float("nan")},
        {"smoothing": -1.0},
        {"smoothing": float("nan")},
        {"smoothing": float("inf")},
        {"hidden": -1},
        {"concepts": 0},
        {"prototype": 0},
        {"patterns": 0},
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(changes: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=f"vqflow.{next(iter(changes))}"):
        small_settings(**changes)
