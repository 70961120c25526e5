"""Scoring with several batches in the model at once."""

from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

from normalis.answering import Measured
from normalis.scoring import Scorer
from test_scoring import draw, results, scorer


def test_batches_are_in_the_model_together_and_come_out_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads must meet inside the model; alone each would wait for ever."""
    meet = Barrier(2, timeout=30)
    model = scorer(batch_size=2)
    measure = model.measure

    def meeting(pixels: np.ndarray, **named: Any) -> Measured:
        meet.wait()
        return measure(pixels, **named)

    monkeypatch.setattr(Scorer, "at_once", 2)
    monkeypatch.setattr(model, "measure", meeting)
    given = [draw(tmp_path / f"{i}.png", brightness=100 + 20 * i) for i in range(4)]
    expected = list(scorer().score(given))
    answers = results(model.score(given, workers=2))
    assert [answer.path for answer in answers] == given
    assert [answer.score for answer in answers] == [same.score for same in results(expected)]
