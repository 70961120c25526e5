"""A fit that is interrupted leaves nothing half-written, and goes on where it stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from api_samples import World, files, refused
from safetensors.torch import load_file

from normalis.api import FitOptions, FitSummary, describe, fit
from normalis.bundle import DETECTOR, MANIFEST
from normalis.errors import FitError
from small_world import Listener, small_recipe, write_pictures, write_weights
from two_processes import run_on_two

TESTS = Path(__file__).parents[1]


class KilledError(Exception):
    """As an interruption would end a fit."""


def kill() -> None:
    raise KilledError


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
    for name, overwrite in product(("photos", "file"), (False, True)):
        refused(world, tmp_path / name, "is not a normalis model", overwrite=overwrite)
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


# --- several processes ---


def fit_as_one_of_two(rank: int, folder: Path) -> dict[str, torch.Tensor]:
    """The detector that this process finds in the bundle."""
    recipe = small_recipe(folder / "test_resnet.safetensors")
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
        recipe=small_recipe(tmp_path / "test_resnet.safetensors"),
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
