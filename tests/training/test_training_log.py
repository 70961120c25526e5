"""The log: one JSON line an epoch, with the use of every codebook and the concepts' purity."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from normalis.detectors.records import Assignment, Losses, Term
from normalis.errors import SettingsError
from normalis.progress import Silent
from normalis.training import Tally, TrainingData, TrainingSettings, record_from, train, write_log
from small_world import made_detector, made_table, small_settings

SETTINGS = TrainingSettings(epochs=2, least_steps=0, batch_size=8, precision="float32")


def losses(flow: float, codes: list[int], *, size: int = 4) -> Losses:
    index = torch.tensor(codes)
    usage = torch.bincount(index, minlength=size).float()
    given = Assignment("concept", torch.zeros(len(codes), 2), index, usage)
    commitment = torch.tensor(0.5)
    nll = torch.tensor(flow)
    return Losses(nll + commitment, nll, (Term("commitment", commitment),), (given,))


def test_a_record_is_the_mean_of_its_steps() -> None:
    tally = Tally(("nut", "nut", "bolt", None))
    tally.add(losses(1.0, [0, 0, 1, 3]), [0, 1, 2, 3])
    tally.add(losses(3.0, [0, 1, 1, 1]), [0, 1, 2, 3])
    record = tally.record(7, validation=1.5, seconds=2.0)
    assert (record.epoch, record.nll, record.terms) == (7, 2.0, {"commitment": 0.5})
    (use,) = record.codebooks
    assert (use.name, use.in_use) == ("concept", 3)
    share = torch.tensor([3, 4, 1]) / 8
    assert use.perplexity == pytest.approx(float((-share * share.log()).sum().exp()), rel=1e-5)
    # Concept 0 holds three nuts; concept 1 two bolts and a nut; the unknown one counts nowhere.
    assert record.purity == pytest.approx(5 / 6)


def test_there_is_no_purity_where_no_category_is_known() -> None:
    tally = Tally((None, None))
    tally.add(losses(1.0, [0, 1]), [0, 1])
    assert tally.record(1, validation=None, seconds=0.0).purity is None


@pytest.mark.parametrize("found", [True, False])
def test_training_logs_every_codebook_and_the_purity(tmp_path: Path, *, found: bool) -> None:
    table = made_table(tmp_path / "features", 24)
    categories = tuple(sample.category for sample in table.samples)
    records = train(
        made_detector(small_settings(found_concepts=found)),
        TrainingData(table, tuple(range(24)), (), categories),
        settings=SETTINGS,
        checkpoint=tmp_path / "c.pt",
        observer=Silent(),
    )
    for record in records:
        names = [use.name for use in record.codebooks]
        assert names == ["concept", "pattern 1", "pattern 2", "pattern 3", "pattern fusion"]
        assert all(1 <= use.perplexity <= use.in_use <= 16 for use in record.codebooks)
        assert record.purity is not None
        if found:
            assert record.codebooks[0].in_use == 3
            assert record.purity == 1.0
    write_log(records, tmp_path / "log.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[0]["codebooks"][0]["name"] == "concept"
    assert "seconds" not in lines[0], "the same fit writes the same bytes"
    assert record_from(asdict(records[0])) == records[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"patience": 0},
        {"least_steps": -1},
        {"learning_rate": 0.0},
        {"clip": float("nan")},
        {"weight_decay": -1.0},
        {"warmup": 1.0},
        {"validation": 1.0},
        {"seed": -1},
        {"seed": 2**32},
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(changes: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=f"training.{next(iter(changes))}"):
        TrainingSettings(**changes)  # pyright: ignore[reportArgumentType]
