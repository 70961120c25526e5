"""The optimiser: each group of parameters learns at its own rate, with or without decay."""

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import nn

from normalis.detectors.records import ParameterGroup
from normalis.training import TrainingSettings
from normalis.training.optimizer import optimizer_of, set_rate

SETTINGS = TrainingSettings(learning_rate=0.5, weight_decay=0.1, warmup=0.2)


def optimizer(settings: TrainingSettings) -> torch.optim.Optimizer:
    slow, fast = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    groups = (ParameterGroup((slow,)), ParameterGroup((fast,), rate=3.0, decay=False))
    return optimizer_of(groups, settings)


@pytest.mark.parametrize("name", ["adamw", "adam"])
def test_a_group_has_its_rate_and_its_decay(name: Literal["adamw", "adam"]) -> None:
    made = optimizer(replace(SETTINGS, optimizer=name, betas=(0.5, 0.6)))
    set_rate(made, SETTINGS, done=2, total=10)
    assert [group["lr"] for group in made.param_groups] == [0.5, 1.5]
    assert [group["weight_decay"] for group in made.param_groups] == [0.1, 0.0]
    assert [group["betas"] for group in made.param_groups] == [(0.5, 0.6)] * 2


def test_the_rate_rises_and_falls_as_the_settings_say() -> None:
    made = optimizer(SETTINGS)
    rates: dict[str, list[float]] = {}
    for decay in ("cosine", "constant"):
        rates[decay] = []
        for done in range(10):
            set_rate(made, replace(SETTINGS, decay=decay), done=done, total=10)
            rates[decay].append(made.param_groups[0]["lr"])
    assert rates["constant"] == pytest.approx([0.05, 0.275, *([0.5] * 8)])
    assert rates["cosine"][:3] == rates["constant"][:3]
    assert rates["cosine"][6] == pytest.approx(0.25)
    assert all(a > b for a, b in zip(rates["cosine"][2:], rates["cosine"][3:], strict=False))
