"""Fit: from pictures to a whole model, or to a clear sentence and nothing half-written."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from normalis.api import FitOptions, FitSummary, describe, fit, load
from normalis.bundle import DETECTOR, MANIFEST
from normalis.errors import DatasetError, FitError, ImageError, NormalisError, SettingsError
from normalis.recipes import Recipe
from normalis.scoring import Result
from small_world import Listener, small_recipe, write_pictures, write_weights
from two_processes import run_on_two

TESTS = Path(__file__).parents[1]


class KilledError(Exception):
    """As an interruption would end a fit."""


class World:
    """Pictures, weights and a cache; and models fitted with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = write_pictures(folder / "data", 30)
        self.weights = write_weights(folder)
        self.cache = folder / "cache"

    def recipe(self, **training: Any) -> Recipe:
        return small_recipe(self.weights, **training)

    def fit(
        self,
        out: Path,
        *,
        data: Path | None = None,
        recipe: Recipe | None = None,
        observer: Listener | None = None,
        **options: Any,
    ) -> FitSummary:
        return fit(
            data or self.data,
            out,
            recipe=recipe or self.recipe(),
            options=FitOptions(cache=self.cache, device="cpu", **options),
            observer=observer,
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def whole(world: World) -> tuple[Path, FitSummary]:
    """A fit that nothing interrupts."""
    return world.folder / "whole", world.fit(world.folder / "whole")


def kill() -> None:
    raise KilledError


def files(model: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in model.iterdir()}


def refused(world: World, out: Path, *words: str, **given: Any) -> None:
    """A fit that ends with a sentence before any work, and leaves no trace."""
    before = sorted(out.parent.iterdir()) if out.parent.is_dir() else []
    with pytest.raises(NormalisError) as caught:
        world.fit(out, **given)
    for word in words:
        assert word in str(caught.value)
    assert (sorted(out.parent.iterdir()) if out.parent.is_dir() else []) == before


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
    assert [line["flow"] for line in lines] == [record.flow for record in whole[1].records]


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
    recipe = replace(recipe, vqflow=replace(recipe.vqflow, **changes))
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


# --- interruptions ---


@pytest.mark.parametrize("killed_at", [1, 6, 11])
def test_a_resumed_fit_is_the_uninterrupted_one(
    world: World, whole: tuple[Path, FitSummary], tmp_path: Path, killed_at: int
) -> None:
    """Killed in each of the three epochs."""
    out = tmp_path / "model"
    with pytest.raises(KilledError):
        world.fit(out, observer=Listener(at_step=killed_at, act=kill))
    assert not out.exists()
    refused(world, out, "an interrupted fit lies here", "--resume", "--overwrite")
    rest = Listener()
    world.fit(out, observer=rest, resume=True)
    assert rest.steps == 15 - 5 * ((killed_at - 1) // 5)
    assert files(out) == files(whole[0])
    assert not (tmp_path / "model.partial").exists()


SCRIPT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from normalis.api import FitOptions, fit
from small_world import Listener, small_recipe
data, out, weights, cache = map(Path, sys.argv[2:])
kill = Listener(at_step=8, act=lambda: os.kill(os.getpid(), signal.SIGKILL))
options = FitOptions(cache=cache, device="cpu")
fit(data, out, recipe=small_recipe(weights), options=options, observer=kill)
"""


@pytest.mark.slow
def test_a_fit_killed_for_good_is_resumed_exactly(
    world: World, whole: tuple[Path, FitSummary], tmp_path: Path
) -> None:
    out = tmp_path / "model"
    arguments = map(str, (TESTS, world.data, out, world.weights, world.cache))
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    command = [sys.executable, "-c", SCRIPT, *arguments]
    done = subprocess.run(command, env=environment, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["model.partial"]
    world.fit(out, resume=True)
    assert files(out) == files(whole[0])
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_a_kill_left_in_the_bundle_goes(
    world: World, whole: tuple[Path, FitSummary], tmp_path: Path
) -> None:
    """Killed while the model was written."""
    out = tmp_path / "model"
    with pytest.raises(KilledError):
        world.fit(out, observer=Listener(at_step=15, act=kill))
    (tmp_path / "model.partial" / "bundle").mkdir()
    (tmp_path / "model.partial" / "bundle" / ".training.jsonl.7.tmp").write_text("half")
    world.fit(out, resume=True)
    assert files(out) == files(whole[0])


def test_another_request_does_not_resume(world: World, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with pytest.raises(KilledError):
        world.fit(out, observer=Listener(at_step=6, act=kill))
    more = shutil.copytree(world.data, tmp_path / "more")
    write_pictures(more / "new", 1, seed=9)
    others: list[dict[str, Any]] = [{"recipe": world.recipe(seed=1)}, {"data": more}]
    for given in others:
        with pytest.raises(FitError, match="had other settings or pictures"):
            world.fit(out, resume=True, **given)
    assert not out.exists()
    world.fit(out, recipe=world.recipe(epochs=1), overwrite=True)
    assert describe(out).recipe.training.epochs == 1


def test_resuming_what_was_never_begun_begins(world: World, tmp_path: Path) -> None:
    assert len(world.fit(tmp_path / "m", recipe=world.recipe(epochs=1), resume=True).records) == 1


# --- what is in the way ---


def test_a_model_is_replaced_only_with_overwrite(
    world: World, whole: tuple[Path, FitSummary], tmp_path: Path
) -> None:
    out = Path(shutil.copytree(whole[0], tmp_path / "model"))
    refused(world, out, str(out), "already there", "--overwrite")
    assert files(out) == files(whole[0])
    world.fit(out, recipe=world.recipe(epochs=1), overwrite=True)
    assert describe(out).recipe.training.epochs == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_nothing_but_a_model_is_ever_replaced(world: World, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").write_text("dear")
    (tmp_path / "file").write_text("dear")
    for name in ("photos", "file"):
        refused(world, tmp_path / name, "is not a normalis model", overwrite=True)
    assert (tmp_path / "photos" / "holiday.jpg").read_text() == "dear"


@pytest.mark.parametrize("out", [".", "..", "/"])
def test_folders_without_a_name_are_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for overwrite in (False, True):
        refused(world, Path(out), overwrite=overwrite)


def test_a_missing_parent_is_told(world: World, tmp_path: Path) -> None:
    refused(world, tmp_path / "no" / "model", "no does not exist; make it")


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


def test_a_share_that_holds_out_nothing_is_refused(world: World, tmp_path: Path) -> None:
    recipe = world.recipe()
    calibration = replace(recipe.calibration, share=1e-6)
    vqflow = replace(recipe.vqflow, concepts=32)
    data = write_pictures(tmp_path / "nine", 9)
    with pytest.raises(FitError, match=r"calibration\.share is 1e-06, which holds out none of 9"):
        world.fit(
            tmp_path / "m",
            data=data,
            recipe=replace(recipe, calibration=calibration, vqflow=vqflow),
        )


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


# --- several processes ---


def fit_as_one_of_two(rank: int, folder: Path) -> dict[str, torch.Tensor]:
    """The detector that this process finds in the bundle."""
    recipe = small_recipe(folder / "weights.safetensors")
    options = FitOptions(cache=folder / "cache", device="cpu")
    fit(folder / "data", folder / "two", recipe=recipe, options=options)
    return load_file(folder / "two" / DETECTOR)


@pytest.mark.slow
def test_two_processes_fit_one_model(tmp_path: Path) -> None:
    write_pictures(tmp_path / "data", 18)
    write_weights(tmp_path)
    first, second = run_on_two(partial(fit_as_one_of_two, folder=tmp_path), tmp_path)
    alone_at = tmp_path / "alone"
    fit(
        tmp_path / "data",
        alone_at,
        recipe=small_recipe(tmp_path / "weights.safetensors"),
        options=FitOptions(cache=tmp_path / "cache", device="cpu"),
    )
    alone = load_file(alone_at / DETECTOR)
    for key, value in alone.items():
        assert torch.equal(first[key], second[key])
        near = 0.05 if key.endswith("variance") else 2e-2
        torch.testing.assert_close(first[key], value, rtol=near, atol=near, msg=key)
    one, two = (json.loads((tmp_path / n / MANIFEST).read_text()) for n in ("alone", "two"))
    assert one["pictures"] == two["pictures"]
    assert one["calibration"]["scores"] == pytest.approx(two["calibration"]["scores"], abs=0.05)
