"""A detector that learns in stages: each trained as a whole, and resumed in either."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from normalis.detectors.build import build_detector
from normalis.detectors.contract import PictureShapes
from normalis.detectors.lsr.settings import LSRSettings
from normalis.features.extract import FeatureTable
from normalis.progress import Silent
from normalis.training import EpochRecord, TrainingData, TrainingSettings, train
from normalis.training.optimizer import clip_gradient
from small_world import Listener, made_table

SHAPES = PictureShapes((8, 8), ((3, 8, 8),))
SETTINGS = LSRSettings(widths=(4, 8), codes=4, prior_width=8, prior_depth=1, restorations=2)
QUICK = TrainingSettings(epochs=2, least_steps=0, batch_size=8, precision="float32")
STEPS, STAGE = 4, 8  # of an epoch, and of a stage


class KilledError(Exception):
    """As an interruption would end a run, between two steps."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> FeatureTable:
    return made_table(tmp_path_factory.mktemp("features"), 40, SHAPES)


def run(
    table: FeatureTable, checkpoint: Path, *, observer: Listener | None = None, **changes: Any
) -> tuple[nn.Module, tuple[EpochRecord, ...]]:
    rows = tuple(range(40))
    data = TrainingData(table, rows[:32], rows[32:], tuple(s.category for s in table.samples))
    detector = build_detector(SETTINGS, SHAPES, concepts=1, seed=0).train()
    detector.initialise(lambda: iter([table.batch(rows[:32])]), seed=0)
    records = train(
        detector,
        data,
        settings=replace(QUICK, **changes),
        checkpoint=checkpoint,
        observer=observer or Silent(),
    )
    return detector, records


def states_differ(one: nn.Module, other: nn.Module) -> list[str]:
    mine, theirs = one.state_dict(), other.state_dict()
    return [key for key in mine if not torch.equal(mine[key], theirs[key])]


def test_each_stage_is_as_long_as_the_settings_say(table: FeatureTable, tmp_path: Path) -> None:
    listener = Listener()
    detector, records = run(table, tmp_path / "c.pt", observer=listener)
    assert listener.stages == ["training the autoencoder", "training the prior"]
    assert [(r.stage, r.epoch) for r in records] == [
        *[("autoencoder", 1), ("autoencoder", 2)],
        *[("prior", 1), ("prior", 2)],
    ]
    assert listener.steps == 2 * STAGE
    assert not detector.training
    assert set(records[0].terms) == {"distortion", "rate"}
    assert [use.name for use in records[0].codebooks] == ["codes"]


@pytest.mark.parametrize("killed_at", [1, STEPS + 1, STAGE, STAGE + 1, STAGE + STEPS + 1, 16])
def test_it_goes_on_in_the_stage_in_which_it_was_interrupted(
    table: FeatureTable, tmp_path: Path, killed_at: int
) -> None:
    """Killed in each epoch of each stage, at the last step of one and at the first of the next."""

    def kill() -> None:
        raise KilledError

    whole, records = run(table, tmp_path / "whole.pt")
    with pytest.raises(KilledError):
        run(table, tmp_path / "cut.pt", observer=Listener(at_step=killed_at, act=kill))
    torch.manual_seed(killed_at)  # nothing may follow from what was drawn elsewhere
    rest = Listener()
    resumed, again = run(table, tmp_path / "cut.pt", observer=rest)
    assert rest.steps == 2 * STAGE - STEPS * ((killed_at - 1) // STEPS)
    assert states_differ(whole, resumed) == []
    assert [replace(r, seconds=0.0) for r in again] == [replace(r, seconds=0.0) for r in records]


def test_the_second_stage_starts_from_the_best_epoch_of_the_first(
    table: FeatureTable, tmp_path: Path
) -> None:
    """And leaves it alone: the autoencoder at the end is the best one of the first stage."""
    kept: list[dict[str, torch.Tensor]] = []

    def keep() -> None:
        state = torch.load(tmp_path / "c.pt", weights_only=True)
        kept.append(state["best_state"])

    changes: dict[str, Any] = {"learning_rate": 0.05, "decay": "constant", "patience": 9}
    listener = Listener(at_step=STAGE + 1, act=keep)
    detector, _ = run(table, tmp_path / "c.pt", observer=listener, **changes)
    found = detector.state_dict()
    own = {key: value for key, value in kept[0].items() if key.startswith("autoencoder.")}
    assert own
    assert all(torch.equal(value, found[key]) for key, value in own.items())


def test_a_finished_run_is_not_trained_again(table: FeatureTable, tmp_path: Path) -> None:
    one, records = run(table, tmp_path / "c.pt")
    listener = Listener()
    again, same = run(table, tmp_path / "c.pt", observer=listener)
    assert listener.steps == 0
    assert states_differ(one, again) == []
    assert records == same


def test_the_gradient_is_bound_by_norm_or_by_value() -> None:
    for clip_by, wanted in (("norm", [0.6, 0.8]), ("value", [1.0, 1.0])):
        model = nn.Linear(2, 1, bias=False)
        model.weight.grad = torch.tensor([[3.0, 4.0]])
        clip_gradient(model, replace(QUICK, clip=1.0, clip_by=clip_by))  # pyright: ignore[reportArgumentType]
        torch.testing.assert_close(model.weight.grad, torch.tensor([wanted]))
