"""Fit: from a folder of pictures to a whole model, or to a clear sentence."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_samples import World, files

from normalis.api import FitOptions, FitSummary, describe, fit, load
from normalis.api.pictures import split_pictures
from normalis.bundle import DETECTOR
from normalis.errors import DatasetError, FitError, ImageError, SettingsError
from normalis.results import Result
from small_world import Listener, write_pictures

# --- the main road ---


def test_a_fit_says_what_it_did(world: World, whole: tuple[Path, FitSummary]) -> None:
    path, summary = whole
    used = summary.pictures
    assert (used.train + used.validation + used.calibration, used.skipped) == (30, 0)
    assert (used.validation, used.calibration) == (3, 6)
    assert [record.epoch for record in summary.records] == [1, 2, 3]
    assert sum(summary.concept_pictures) == used.train
    assert "with 6 held-out pictures" in summary.promise
    assert summary.path == path
    info = describe(path)
    assert info.manifest.pictures == used
    assert info.manifest.concepts == len(summary.concept_pictures)
    assert info.promise == summary.promise
    assert info.recipe == replace(
        world.recipe(), backbone=replace(world.recipe().backbone, weights=None)
    )
    assert info.size == sum(file.stat().st_size for file in path.iterdir())
    assert not path.with_name("whole.partial").exists()


def test_the_log_is_in_the_bundle(whole: tuple[Path, FitSummary]) -> None:
    lines = [json.loads(line) for line in (whole[0] / "training.jsonl").read_text().splitlines()]
    assert [line["nll"] for line in lines] == [record.nll for record in whole[1].records]


def test_no_picture_serves_for_two_things(whole: tuple[Path, FitSummary]) -> None:
    uses = json.loads((whole[0] / "data.json").read_text())
    assert set(uses) == {"train", "validation", "calibration"}
    every = [digest for digests in uses.values() for digest in digests]
    assert len(every) == len(set(every)) == 30


def test_calibration_scores_are_those_of_new_pictures(
    world: World, whole: tuple[Path, FitSummary]
) -> None:
    """A held-out picture, scored as a new one, has the score that the calibration holds."""
    model = load(whole[0], device="cpu")
    scores = [a.score for a in model.score(sorted(world.data.iterdir())) if isinstance(a, Result)]
    for held_out in model.calibration.scores:
        assert min(abs(held_out - score) for score in scores) < 1e-2 * (1 + abs(held_out))


def test_concepts_are_counted_under_the_number_that_a_score_gives(
    world: World, whole: tuple[Path, FitSummary]
) -> None:
    model = load(whole[0], device="cpu")
    shown = [a.concept for a in model.score(sorted(world.data.iterdir())) if isinstance(a, Result)]
    totals = [shown.count(k) for k in range(len(whole[1].concept_pictures))]
    assert sum(totals) == 30
    for trained, total in zip(whole[1].concept_pictures, totals, strict=True):
        assert trained <= total <= trained + 9, "the others were held out"


def test_the_same_seed_gives_the_same_bytes(
    world: World, whole: tuple[Path, FitSummary], tmp_path: Path
) -> None:
    world.fit(tmp_path / "again")
    assert files(tmp_path / "again") == files(whole[0])
    world.fit(tmp_path / "other", recipe=world.recipe(seed=1))
    assert files(tmp_path / "other")[DETECTOR] != files(whole[0])[DETECTOR]


@pytest.mark.parametrize("changes", [{"condition": "none"}, {"found_concepts": False}])
def test_forms_without_found_concepts_fit_and_load(
    world: World, tmp_path: Path, changes: dict[str, Any]
) -> None:
    recipe = world.recipe(epochs=1)
    recipe = replace(recipe, method=replace(recipe.method, **changes))
    summary = world.fit(tmp_path / "model", recipe=recipe)
    assert summary.concept_pictures in ((), (summary.pictures.train,))
    assert len(list(load(tmp_path / "model").score(list(world.data.iterdir())[:2]))) == 2


def test_the_model_appears_only_when_it_is_whole(world: World, tmp_path: Path) -> None:
    out, seen = tmp_path / "model", list[bool]()

    def look() -> None:
        seen.append(out.exists())

    world.fit(out, observer=Listener(at_step=5, act=look))
    assert seen == [False]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


# --- pictures ---


def test_an_empty_or_missing_folder_is_refused(world: World, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for data in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(DatasetError, match=data.name):
            world.fit(tmp_path / "model", data=data)
    assert not (tmp_path / "model.partial").exists()


@pytest.mark.parametrize("count", [1, 7])
def test_too_few_pictures_are_refused(world: World, tmp_path: Path, count: int) -> None:
    data = write_pictures(tmp_path / "few", count)
    with pytest.raises(FitError, match=f"few: {count} good pictures are too few .* at least 8"):
        world.fit(tmp_path / "model", data=data)
    assert not (tmp_path / "model.partial").exists()


def test_the_least_that_is_allowed_is_enough(world: World, tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "eight", 8)
    summary = world.fit(tmp_path / "model", data=data, recipe=world.recipe(epochs=1))
    assert summary.pictures.calibration >= 1
    assert summary.pictures.train >= 4


def test_a_share_that_holds_out_nothing_is_refused(world: World) -> None:
    recipe = world.recipe()
    recipe = replace(recipe, calibration=replace(recipe.calibration, share=1e-6))
    with pytest.raises(FitError, match=r"calibration\.share is 1e-06, which holds out none of 9"):
        split_pictures([0, 0, 0, 1, 1, 1, 2, 2, 2], np.arange(9), recipe=recipe)


def test_copies_count_once(world: World, tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "copies", 12)
    for path in sorted(data.iterdir())[:5]:
        shutil.copy(path, data / f"copy-of-{path.name}")
    listener = Listener()
    summary = world.fit(tmp_path / "m", data=data, recipe=world.recipe(epochs=1), observer=listener)
    used = summary.pictures
    assert used.train + used.validation + used.calibration == 12
    assert "5 pictures are copies of others and count once." in listener.said


def test_broken_pictures_are_counted_or_strictly_refused(world: World, tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "some", 12)
    (data / "text.png").write_text("not a picture")
    (data / "empty.png").touch()
    summary = world.fit(tmp_path / "m", data=data, recipe=world.recipe(epochs=1))
    assert summary.pictures.skipped == 2
    assert [name for name, _ in summary.skipped] == ["empty.png", "text.png"]
    assert "0 bytes" in summary.skipped[0][1]
    with pytest.raises(ImageError, match=r"empty\.png|text\.png"):
        world.fit(tmp_path / "n", data=data, strict=True)


def test_there_is_no_such_device(world: World, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no device 'abacus'"):
        fit(world.data, tmp_path / "m", recipe=world.recipe(), options=FitOptions(device="abacus"))
