"""An exported model gives the answers of the model, for every preset and runtime."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from export_samples import PRESETS, new_pictures

from normalis.bundle.load import load_bundle
from normalis.errors import ExportError
from normalis.export.info import FORMATS, Format
from normalis.export.scorer import load_export
from normalis.results import Result

pytestmark = pytest.mark.slow  # tracing a graph takes long

Exported = Callable[[str, Format], Path]


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("preset", PRESETS)
def test_maps_scores_and_decisions_are_the_models(
    preset: str, target: Format, model: Callable[[str], Path], exported: Exported
) -> None:
    """The published map is an exponential of energies, which here, hardly trained, are hundreds.

    So their rounding, 1e-5 of them, is far more of it. A graph of LSR has a map of its own.
    """
    paths = new_pictures(24)
    scorer = load_bundle(model(preset), device=torch.device("cpu"))
    if scorer.detector.graph_map:
        scorer.detector.score = scorer.detector.score_in_graph
    ours = scorer.score(paths)
    theirs = load_export(exported(preset, target), threads=1).score(paths)
    bound = 2e-2 if preset == "vqflow-paper" else 1e-3
    decided: set[bool] = set()
    for one, other in zip(ours, theirs, strict=True):
        assert isinstance(one, Result)
        assert isinstance(other, Result)
        assert np.abs(one.map - other.map).max() < bound * np.abs(one.map).max()
        assert other.score == pytest.approx(one.score, rel=1e-3)
        assert other.concept == one.concept
        assert other.decision.is_anomaly == one.decision.is_anomaly
        decided.add(one.decision.is_anomaly)
    assert len(decided) == 2 or preset != "vqflow", "pictures of both kinds are compared"


@pytest.mark.parametrize("target", FORMATS)
def test_the_graph_takes_any_batch_and_gives_the_p_value(
    target: Format, exported: Exported
) -> None:
    scorer = load_export(exported("vqflow", target), threads=1)
    pixels = np.random.default_rng(0).random((5, 3, 64, 64), np.float32)
    said = scorer.runtime.run(pixels)
    assert said.map.shape == (5, 64, 64)
    for i in range(5):
        alone = scorer.runtime.run(pixels[i : i + 1])
        assert np.abs(alone.map[0] - said.map[i]).max() < 1e-3 * np.abs(said.map[i]).max()
        expected = scorer.calibration.p_value(float(said.score[i]), int(said.concept[i]))
        assert float(said.p_value[i]) == pytest.approx(expected, rel=1e-6)


def test_what_the_graph_does_not_hold_is_refused(exported: Exported) -> None:
    scorer = load_export(exported("flow", "onnx"))
    with pytest.raises(ExportError, match="64x64"):
        scorer.measure(np.zeros((1, 3, 32, 64), np.float32))
    with pytest.raises(ExportError, match="published"):
        scorer.measure(np.zeros((1, 3, 64, 64), np.float32), paper=True)
