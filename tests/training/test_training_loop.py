"""Training: it learns, stops in time, repeats itself exactly, and goes on after an interruption."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from normalis.detectors.records import Batch
from normalis.detectors.vqflow.detector import VQFlow
from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.errors import FitError
from normalis.features.extract import FeatureTable
from normalis.progress import Silent
from normalis.training import (
    EpochRecord,
    Processes,
    TrainingData,
    TrainingSettings,
    batches,
    loop,
    train,
)
from small_world import TWO_MAPS, Listener, made_detector, made_table, small_settings

CPU = torch.device("cpu")
QUICK = TrainingSettings(
    epochs=4, least_steps=0, batch_size=8, learning_rate=1e-2, precision="float32"
)
FORMS = {"found": small_settings(), "learned": small_settings(found_concepts=False)}
# At this rate a flow overshoots after a few epochs, and gets worse before it gets better.
OVERSHOOTING: dict[str, Any] = {
    "form": small_settings(condition="none", whitening="none", hidden=32),
    "learning_rate": 0.3,
    "decay": "constant",
    "validation": 32,
}


class KilledError(Exception):
    """As an interruption would end a run, between two steps."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> FeatureTable:
    return made_table(tmp_path_factory.mktemp("features"), 40, TWO_MAPS)


def data_of(table: FeatureTable, *, validation: int = 8) -> TrainingData:
    rows = tuple(range(len(table)))
    categories = tuple(sample.category for sample in table.samples)
    return TrainingData(table, rows[: 40 - validation], rows[40 - validation :], categories)


def run(
    table: FeatureTable,
    checkpoint: Path,
    *,
    observer: Listener | None = None,
    form: VQFlowSettings | None = None,
    validation: int = 8,
    **changes: Any,
) -> tuple[VQFlow, tuple[EpochRecord, ...]]:
    detector = made_detector(form, TWO_MAPS)
    records = train(
        detector,
        data_of(table, validation=validation),
        settings=replace(QUICK, **changes),
        checkpoint=checkpoint,
        observer=observer or Silent(),
    )
    return detector, records


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []


def without_time(records: tuple[EpochRecord, ...]) -> list[EpochRecord]:
    return [replace(record, seconds=0.0) for record in records]


@torch.no_grad()
def held_out_loss(detector: VQFlow, data: TrainingData) -> float:
    rows = [batches(data.table, [row], size=1, device=CPU) for row in data.validation]
    return sum(float(detector.loss(Batch(next(maps))).nll) for maps in rows) / len(rows)


# --- learning and stopping ---


def test_the_loss_falls_on_made_data(table: FeatureTable, tmp_path: Path) -> None:
    raw = small_settings(whitening="none")
    _, records = run(table, tmp_path / "c.pt", form=raw, epochs=6)
    assert [record.epoch for record in records] == [1, 2, 3, 4, 5, 6]
    assert records[-1].nll < records[0].nll - 0.05
    held_out = [record.validation for record in records if record.validation is not None]
    assert held_out[-1] < held_out[0] - 0.05


def test_it_ends_at_its_best_epoch_and_evaluating(table: FeatureTable, tmp_path: Path) -> None:
    detector, records = run(table, tmp_path / "c.pt", epochs=20, patience=2, **OVERSHOOTING)
    held_out = [r.validation for r in records if r.validation is not None]
    assert min(held_out) < held_out[-1]
    data = data_of(table, validation=OVERSHOOTING["validation"])
    assert held_out_loss(detector, data) == pytest.approx(min(held_out), rel=1e-4)
    assert not detector.training


def test_it_stops_when_nothing_gets_better(table: FeatureTable, tmp_path: Path) -> None:
    _, records = run(table, tmp_path / "c.pt", epochs=20, patience=2, **OVERSHOOTING)
    held_out = [r.validation for r in records if r.validation is not None]
    best = held_out.index(min(held_out))
    assert len(records) == best + 1 + 2 < 20


def test_without_held_out_pictures_the_last_epoch_is_kept(
    table: FeatureTable, tmp_path: Path
) -> None:
    _, records = run(table, tmp_path / "c.pt", validation=0, patience=1)
    assert len(records) == QUICK.epochs
    assert {record.validation for record in records} == {None}
    final = torch.load(tmp_path / "c.pt", weights_only=True)
    assert_same(final["best_state"], final["detector"])


def test_few_pictures_make_more_epochs(table: FeatureTable, tmp_path: Path) -> None:
    heard = Listener()
    _, records = run(table, tmp_path / "c.pt", epochs=1, least_steps=10, observer=heard)
    assert len(records) == math.ceil(10 / (32 // 8)) == 3
    (said,) = heard.said
    assert said.startswith("32 pictures are few: there are 3 passes over them and not 1, as ")


def test_a_batch_is_never_larger_than_the_data(table: FeatureTable, tmp_path: Path) -> None:
    _, records = run(table, tmp_path / "c.pt", batch_size=1000)
    assert len(records) == QUICK.epochs


@pytest.mark.parametrize("decay", ["cosine", "constant"])
def test_the_rate_warms_up_and_decays(
    table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decay: str
) -> None:
    rates: list[float] = []
    original = torch.optim.Adam.step

    def step(self: torch.optim.Adam) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return original(self)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    run(table, tmp_path / "c.pt", optimizer="adam", decay=decay, epochs=5, warmup=0.2)
    assert len(rates) == 20
    assert rates[:5] == pytest.approx([1e-3, 3.25e-3, 5.5e-3, 7.75e-3, 1e-2])
    if decay == "constant":
        assert set(rates[4:]) == {1e-2}
    else:
        cosine = [0.5e-2 * (1 + math.cos(math.pi * k / 16)) for k in range(16)]
        assert rates[4:] == pytest.approx(cosine)


def test_it_trains_in_bfloat16(table: FeatureTable, tmp_path: Path) -> None:
    _, records = run(table, tmp_path / "c.pt", precision="bfloat16")
    _, exact = run(table, tmp_path / "d.pt", precision="float32")
    assert records[-1].nll == pytest.approx(exact[-1].nll, abs=0.05)
    assert records[-1].nll != exact[-1].nll


# --- repeating and going on ---


def test_the_same_seed_gives_the_same_bytes(table: FeatureTable, tmp_path: Path) -> None:
    one, records = run(table, tmp_path / "a.pt")
    other, again = run(table, tmp_path / "b.pt")
    assert_same(one.state_dict(), other.state_dict())
    assert without_time(records) == without_time(again)
    different, _ = run(table, tmp_path / "c.pt", seed=1)
    assert not torch.equal(next(iter(one.parameters())), next(iter(different.parameters())))


@pytest.fixture(scope="module")
def whole(
    table: FeatureTable, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[VQFlow, tuple[EpochRecord, ...]]]:
    """The uninterrupted run of each form."""
    folder = tmp_path_factory.mktemp("whole")
    return {name: run(table, folder / f"{name}.pt", form=form) for name, form in FORMS.items()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("killed_at", [1, 4, 5, 10, 16])
def test_a_resumed_run_is_the_uninterrupted_one(
    table: FeatureTable,
    tmp_path: Path,
    whole: dict[str, tuple[VQFlow, tuple[EpochRecord, ...]]],
    *,
    killed_at: int,
    form: str,
) -> None:
    """Killed in the first step, at the ends and in the middle of epochs, and in the last step."""

    def kill() -> None:
        raise KilledError

    uninterrupted, records = whole[form]
    with pytest.raises(KilledError):
        run(
            table,
            tmp_path / "cut.pt",
            form=FORMS[form],
            observer=Listener(at_step=killed_at, act=kill),
        )
    assert (tmp_path / "cut.pt").exists() == (killed_at > 4)
    rest = Listener()
    resumed, all_records = run(table, tmp_path / "cut.pt", form=FORMS[form], observer=rest)
    assert rest.steps == 16 - 4 * ((killed_at - 1) // 4)
    assert_same(uninterrupted.state_dict(), resumed.state_dict())
    assert without_time(records) == without_time(all_records)


def test_a_finished_run_is_not_trained_again(table: FeatureTable, tmp_path: Path) -> None:
    one, records = run(table, tmp_path / "c.pt")
    listener = Listener()
    again, same = run(table, tmp_path / "c.pt", observer=listener)
    assert listener.steps == 0
    assert_same(one.state_dict(), again.state_dict())
    assert records == same


def test_a_run_stopped_by_patience_stays_stopped(table: FeatureTable, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"epochs": 20, "patience": 2, **OVERSHOOTING}
    _, records = run(table, tmp_path / "c.pt", **changes)
    listener = Listener()
    _, same = run(table, tmp_path / "c.pt", observer=listener, **changes)
    assert listener.steps == 0
    assert same == records


# --- bad luck ---


def test_a_loss_that_is_no_number_ends_it_with_advice(table: FeatureTable, tmp_path: Path) -> None:
    with pytest.raises(FitError, match=r"step \d+ of epoch \d+: lower training\.learning_rate"):
        run(table, tmp_path / "c.pt", learning_rate=1e30, decay="constant", epochs=20)


def test_more_processes_than_pictures_are_refused(
    table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "this_process", lambda: Processes(0, 50))
    with pytest.raises(FitError, match="32 pictures to train on are too few for 50 processes"):
        run(table, tmp_path / "c.pt")


def test_a_full_disk_leaves_the_last_checkpoint(
    table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = torch.save
    saved: list[Path] = []

    def save(state: dict[str, Any], path: Path) -> None:
        saved.append(path)
        if len(saved) > 2:
            path.write_bytes(b"half")
            raise RuntimeError("unexpected pos 64 vs 0")
        original(state, path)

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(FitError, match=r"c\.pt: cannot be written \(as on a full disk\); make"):
        run(table, tmp_path / "c.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]
    assert torch.load(tmp_path / "c.pt", weights_only=True)["epoch"] == 2
