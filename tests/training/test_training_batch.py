"""What a detector is told at each step."""

from pathlib import Path

import pytest

from normalis.detectors.records import Batch, Losses
from normalis.detectors.vqflow.detector import VQFlow
from normalis.progress import Silent
from normalis.training import TrainingData, TrainingSettings, train
from small_world import PRODUCTS, TWO_MAPS, made_detector, made_table


def test_the_detector_is_told_the_classes_and_how_far_training_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Batch] = []
    loss = VQFlow.loss

    def listening(self: VQFlow, batch: Batch) -> Losses:
        told.append(batch)
        return loss(self, batch)

    monkeypatch.setattr(VQFlow, "loss", listening)
    table = made_table(tmp_path / "features", 40, TWO_MAPS)
    categories = tuple(sample.category for sample in table.samples)
    labels = tuple(PRODUCTS.index(name or "") for name in categories)
    detector = made_detector(None, TWO_MAPS)
    train(
        detector,
        TrainingData(table, tuple(range(32)), tuple(range(32, 40)), categories, labels),
        settings=TrainingSettings(epochs=2, least_steps=0, batch_size=8, precision="float32"),
        checkpoint=tmp_path / "c.pt",
        observer=Silent(),
    )
    # Four steps and one look at the held-out pictures in each of two epochs.
    assert [b.done for b in told] == [n / 8 for n in (0, 1, 2, 3, 4, 4, 5, 6, 7, 8)]
    pairs: set[tuple[int, int]] = set()
    for batch in told:
        assert batch.label is not None
        concepts = detector.concepts(batch.maps).tolist()
        pairs |= set(zip(concepts, batch.label.tolist(), strict=True))
    assert len(pairs) == 3, "a picture of one product has one concept and one label"
