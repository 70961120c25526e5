"""Two processes train the model that one process trains."""

import os
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from normalis.progress import Silent
from normalis.quantize.ema import EMAQuantizer
from normalis.training import TrainingData, TrainingSettings, joined_processes, train
from small_world import made_detector, made_table, small_settings
from two_processes import run_on_two

SETTINGS = TrainingSettings(
    epochs=3, least_steps=0, batch_size=8, learning_rate=3e-3, precision="float32"
)


def work(rank: int, folder: Path) -> dict[str, Tensor]:
    """The states of both kinds of concepts."""
    return {
        f"{'found' if found else 'learned'} {key}": value
        for found in (True, False)
        for key, value in trained(rank, folder / str(found), found=found).items()
    }


def trained(rank: int, folder: Path, *, found: bool) -> dict[str, Tensor]:
    """The detector's state after a short training, and the log's figures."""
    folder.mkdir(exist_ok=True)
    table = made_table(folder / f"features-{rank}", 24)
    categories = tuple(sample.category for sample in table.samples)
    detector = made_detector(small_settings(found_concepts=found, patterns=40, whitening="none"))
    for part in detector.modules():
        if isinstance(part, EMAQuantizer):  # so that codes die, and are redrawn, within a few steps
            part.decay, part.revive_below = 0.5, 0.5
    records = train(
        detector,
        TrainingData(table, tuple(range(20)), tuple(range(20, 24)), categories),
        settings=SETTINGS,
        checkpoint=folder / f"checkpoint-{'alone' if rank < 0 else 'two'}.pt",
        observer=Silent(),
    )
    state = detector.state_dict()
    state["log.validation"] = torch.tensor([record.validation for record in records])
    state["log.purity"] = torch.tensor([record.purity for record in records])
    return state


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    alone = work(-1, tmp_path)
    first, second = run_on_two(partial(work, folder=tmp_path), tmp_path)
    for key, value in alone.items():
        if "purity" in key:  # each process counts its own share
            continue
        assert torch.equal(first[key], second[key]), f"{key} differs between the processes"
        # Running variances start from batches that both processes saw, which Bessel's correction
        # counts twice; the difference fades with every step.
        near = 0.05 if key.endswith("variance") else 1e-3
        torch.testing.assert_close(first[key], value, rtol=near, atol=near, msg=key)
    assert torch.equal(first["found log.purity"], torch.ones(SETTINGS.epochs))


def test_a_single_process_joins_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_processes() as process:
        assert (process.rank, process.world, process.is_first) == (0, 1, True)
        process.wait()
    assert "RANK" not in os.environ or not torch.distributed.is_initialized()
