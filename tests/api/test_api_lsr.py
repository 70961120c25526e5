"""LSR from pictures to answers, by the doors that every method has."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_samples import World, files
from torch import Tensor

from normalis.api import FitSummary, describe, load
from normalis.detectors.lsr import restoring as lsr
from normalis.detectors.lsr.settings import LSRSettings
from normalis.images.prepare import Preparation
from normalis.presets import preset
from normalis.recipes import Recipe
from normalis.results import Result
from small_world import Listener

SMALL = LSRSettings(widths=(8, 8), codes=8, prior_width=8, prior_depth=1, restorations=2)


class KilledError(Exception):
    """As an interruption would end a fit."""


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    base = preset("lsr")
    return replace(
        base,
        preparation=Preparation(height=32, width=32),
        method=SMALL,
        training=replace(base.training, epochs=1, least_steps=0, batch_size=4, precision="float32"),
        calibration=replace(base.calibration, far=0.25, share=0.2),
    )


@pytest.fixture(scope="module")
def fitted(
    world: World, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, FitSummary]:
    out = tmp_path_factory.mktemp("lsr") / "model"
    return out, world.fit(out, recipe=recipe)


def test_a_bundle_holds_all_that_a_score_needs(fitted: tuple[Path, FitSummary]) -> None:
    out, summary = fitted
    assert [record.stage for record in summary.records] == ["autoencoder", "prior"]
    assert sum(summary.concept_pictures) == summary.pictures.train
    assert describe(out).recipe.method == SMALL


def test_new_pictures_are_scored_in_their_own_pixels(
    world: World, fitted: tuple[Path, FitSummary]
) -> None:
    paths = sorted(world.data.rglob("*.png"))[:3]
    scorer = load(fitted[0], device="cpu")
    together = [answer for answer in scorer.score(paths, paper=True) if isinstance(answer, Result)]
    assert len(together) == 3
    for path, answer in zip(paths, together, strict=True):
        assert answer.map.shape == (36, 32)
        assert answer.restored is not None
        assert answer.restored.shape == (36, 32, 3)
        (alone,) = load(fitted[0], device="cpu").score([path])
        assert isinstance(alone, Result)
        assert alone.score == pytest.approx(answer.score, rel=1e-4, abs=1e-4)
        np.testing.assert_allclose(alone.map, answer.map, rtol=1e-3, atol=1e-4)


def test_the_published_scores_cost_no_second_restoration(
    world: World, fitted: tuple[Path, FitSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, calls = load(fitted[0], device="cpu"), 0
    restore = lsr.restore

    def counted(*args: Any, **named: Any) -> Tensor:
        nonlocal calls
        calls += 1
        return restore(*args, **named)

    monkeypatch.setattr(lsr, "restore", counted)
    (answer,) = scorer.score(sorted(world.data.rglob("*.png"))[:1], paper=True)
    assert isinstance(answer, Result)
    assert answer.paper is not None
    np.testing.assert_array_equal(answer.paper.additive, answer.map)
    assert answer.paper.score == answer.score
    assert calls == 1


@pytest.mark.parametrize("killed_at", [3, 8])
def test_a_fit_is_resumed_in_either_stage(
    world: World, recipe: Recipe, fitted: tuple[Path, FitSummary], tmp_path: Path, killed_at: int
) -> None:
    def kill() -> None:
        raise KilledError

    out = tmp_path / "model"
    with pytest.raises(KilledError):
        world.fit(out, recipe=recipe, observer=Listener(at_step=killed_at, act=kill))
    world.fit(out, recipe=recipe, resume=True)
    assert files(out) == files(fitted[0])
