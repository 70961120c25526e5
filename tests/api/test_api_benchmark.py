"""A suite run: what is made, what is kept, what goes on, and what is passed over."""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from normalis.api import FitOptions, fit, load
from normalis.api import benchmark as benchmark_module
from normalis.api.apart import Job, make_run
from normalis.api.benchmark import BenchmarkOptions, benchmark
from normalis.datasets import open_dataset
from normalis.errors import DatasetError, SettingsError
from normalis.progress import Observer
from normalis.results import Result
from normalis.suites import Benchmark, read_suite
from small_world import Listener
from suite_world import write_suite


@dataclass
class Runner:
    """Makes runs in this process, in place of another; counts them, and fails where it is told."""

    made: list[Job] = field(default_factory=list[Job])
    interrupt_at: int = -1
    refuses: bool = False

    def __call__(self, job: Job, *, observer: Observer) -> str | None:
        self.made.append(job)
        if len(self.made) == self.interrupt_at:
            raise KeyboardInterrupt
        if self.refuses:
            return "the moon is full"
        make_run(job, observer=observer)
        return None


@dataclass
class World:
    """A tiny suite, and the folder of its runs."""

    folder: Path
    runner: Runner = field(default_factory=Runner)
    heard: Listener = field(default_factory=Listener)

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def run(self, *changes: dict[str, Any], **options: Any) -> Benchmark:
        suite = read_suite(str(self.folder / "tiny.toml"))
        self.heard = Listener()
        given: dict[str, Any] = {"device": "cpu", "cache": self.folder / "cache", **options}
        chosen = BenchmarkOptions(changes=changes, **given)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(benchmark_module, "run_apart", self.runner)
            # Whoever edits the source while the tests run must not make every run a new one.
            patch.setattr(benchmark_module, "source_digest", lambda: "source")
            return benchmark(suite, self.out, options=chosen, observer=self.heard)

    def refuse(self, *changes: dict[str, Any], **options: Any) -> None:
        """A run of which nothing comes; `runner.made` then has what was tried."""
        self.runner.refuses = True
        with pytest.raises(DatasetError, match="could make none of its runs: the moon is full"):
            self.run(*changes, **options)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Benchmark]:
    """A suite that ran without interruption; to be looked at only."""
    world = World(tmp_path_factory.mktemp("first"))
    write_suite(world.folder)
    return world, world.run()


@pytest.fixture
def world(first: tuple[World, Benchmark], tmp_path: Path) -> World:
    """A copy of it."""
    return World(Path(shutil.copytree(first[0].folder, tmp_path / "world")))


@pytest.fixture
def done(first: tuple[World, Benchmark]) -> Benchmark:
    return first[1]


def keys(done: Benchmark) -> list[str]:
    return [outcome.record.key for outcome in done.outcomes]


def figures(done: Benchmark) -> list[tuple[object, ...]]:
    return [(outcome.run.title, outcome.honest, outcome.paper) for outcome in done.outcomes]


# --- the main road ---


def test_every_run_has_figures_times_and_memory(done: Benchmark) -> None:
    assert [o.run.variant.title for o in done.outcomes] == ["with memory", "without memory"]
    for outcome in done.outcomes:
        assert (outcome.honest.mixed.images, outcome.honest.mixed.defects) == (8, 4)
        assert [name for name, _ in outcome.honest.rows] == ["bottle", "nut"]
        assert outcome.honest.mean.image_auroc is not None
        assert outcome.record.fit.epochs == 2
        assert [stage.name for stage in outcome.record.fit.stages][-1] == "training"
        spent = sum(stage.seconds for stage in outcome.record.fit.stages)
        assert 0 < spent <= outcome.record.fit.seconds
        assert (outcome.record.peak_memory or 0) > 50e6, "torch alone needs more"
        assert not outcome.record.continued
        assert outcome.machine["torch"]
        assert outcome.recipe["backbone"]["weights"] is None
    assert len(set(keys(done))) == 2


def test_a_run_leaves_its_result_and_record_and_nothing_else(
    first: tuple[World, Benchmark],
) -> None:
    world, done = first
    folders = sorted((world.out / "runs").iterdir())
    assert sorted(folder.name for folder in folders) == sorted(key[:16] for key in keys(done))
    for folder in folders:
        assert {path.name for path in folder.iterdir()} == {"result", "run.json"}
        assert {path.name for path in (folder / "result").iterdir()} == {"result.json"}
    assert {o.folder for o in done.outcomes} == {f"runs/{f.name}/result" for f in folders}


# --- what is kept ---


def test_a_finished_run_is_not_repeated(world: World, done: Benchmark) -> None:
    again = world.run()
    assert again.outcomes == done.outcomes
    assert world.runner.made == []
    assert world.heard.said.count("  made before") == 2


def test_pictures_elsewhere_are_the_same_pictures(world: World, done: Benchmark) -> None:
    moved = Path(shutil.move(world.folder / "things", world.folder / "moved"))
    again = world.run(places={"things": moved})
    assert (world.runner.made, keys(again)) == ([], keys(done))


def test_a_changed_picture_makes_new_runs(world: World, done: Benchmark) -> None:
    picture = sorted((world.folder / "things/nut/test/good").iterdir())[0]
    Image.new("RGB", (32, 36), (9, 9, 9)).save(picture)
    world.refuse()
    tried = {job.key for job in world.runner.made}
    assert len(tried) == 2
    assert not tried & set(keys(done))


def test_a_changed_setting_makes_new_runs_of_what_it_changes(world: World, done: Benchmark) -> None:
    again = world.run({"vqflow": {"memory": 0}})
    assert keys(again) == [keys(done)[1]] * 2, "both are now without memory"
    assert world.runner.made == []
    world.refuse({"vqflow": {"memory": 4}})
    assert len(world.runner.made) == 2


def test_a_damaged_run_is_made_again(world: World, done: Benchmark) -> None:
    broken, missing = (world.out / outcome.folder for outcome in done.outcomes)
    (broken / "result.json").write_text("{", encoding="utf-8")
    (missing.parent / "run.json").unlink()
    world.refuse()
    assert [job.key for job in world.runner.made] == keys(done)
    assert not broken.exists()


# --- what goes on ---


def test_an_interrupted_suite_continues_between_runs(world: World, done: Benchmark) -> None:
    shutil.rmtree(world.out)
    world.runner.interrupt_at = 2
    with pytest.raises(KeyboardInterrupt):
        world.run()
    again = world.run()
    assert [job.recipe.to_tree()["vqflow"]["memory"] for job in world.runner.made] == [8, 0, 0]
    assert figures(again) == figures(done)


# --- what is passed over ---


def test_absent_data_are_skipped_counted_and_said(world: World) -> None:
    done = world.run()
    assert [(one.run.data.name, one.is_failure) for one in done.not_run] == [("absent", False)] * 2
    assert "nowhere is not there; give --data 'absent=PATH', or --root" in done.not_run[0].reason
    assert any("nowhere is not there" in sentence for sentence in world.heard.said)


def test_a_variant_without_its_weights_is_skipped(world: World) -> None:
    (world.folder / "test_resnet.safetensors").rename(world.folder / "away.safetensors")
    with pytest.raises(DatasetError, match=r"test_resnet\.safetensors are not there"):
        world.run()
    assert world.runner.made == []


def test_a_run_that_fails_is_told_and_the_others_are_made(world: World, done: Benchmark) -> None:
    shutil.rmtree((world.out / done.outcomes[0].folder).parent)
    world.runner.refuses = True
    again = world.run()
    assert again.outcomes == done.outcomes[1:]
    (failed,) = (one for one in again.not_run if one.is_failure)
    assert (failed.run.variant.title, failed.reason) == ("with memory", "the moon is full")


def test_nothing_left_to_run_is_an_error(world: World) -> None:
    shutil.rmtree(world.folder / "things")
    with pytest.raises(DatasetError, match=r"'tiny' could make none of its runs: .*things is not"):
        world.run()


def test_a_mistake_is_found_before_anything_runs(world: World) -> None:
    with pytest.raises(SettingsError, match="no data set 'thing'; did you mean 'things'"):
        world.run(places={"thing": world.folder})
    with pytest.raises(SettingsError, match=r"training\.epochs is 0"):
        world.run({"training": {"epochs": 0}})
    suite = read_suite(str(world.folder / "tiny.toml"))
    things = replace(suite.data[0], apart=("bottl",))
    with pytest.raises(
        SettingsError, match="data 'things': There is no class 'bottl'; did you mean"
    ):
        benchmark(replace(suite, data=(things,)), world.out)
    with pytest.raises(SettingsError, match="There is no device 'abacus'"):
        world.run(device="abacus")
    assert world.runner.made == []


# --- what suites need beyond ---


def test_small_labelled_pictures_become_a_data_set(world: World) -> None:
    source = world.folder / "digits"
    source.mkdir()
    labels = np.arange(40, dtype=np.uint8) % 4
    for part in ("train", "t10k"):
        pixels = np.full((40, 6, 6), 50, np.uint8) + labels[:, None, None]
        head = bytes([0, 0, 8, 3, 0, 0, 0, 40, 0, 0, 0, 6, 0, 0, 0, 6])
        (source / f"{part}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        head = bytes([0, 0, 8, 1, 0, 0, 0, 40])
        (source / f"{part}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    suite = world.folder / "tiny.toml"
    text = suite.read_text(encoding="utf-8")
    made = 'path = "digits"\none_class = { normal = [1, 3], test = 2 }'
    suite.write_text(text.replace('path = "things"', made), encoding="utf-8")
    world.refuse()
    (data,) = {job.data for job in world.runner.made}
    assert isinstance(data, Path)
    assert data.is_relative_to(world.out / "data")
    found = open_dataset(data)
    assert (len(found.train_good), len(found.test)) == (20, 8)


@pytest.mark.slow
def test_every_variant_of_the_ablation_learns_and_scores(world: World) -> None:
    """A switch that no longer works would be found after hours."""
    small = read_suite(str(world.folder / "tiny.toml")).set
    for name in ("memory", "smoothing"):
        del small["vqflow"][name]  # two of the switches
    network = {"name": "test_resnet", "weights": str(world.folder / "test_resnet.safetensors")}
    suite = read_suite("ablation")
    picture = world.folder / "things/nut/test/hole/0.png"
    options = FitOptions(cache=world.folder / "cache", device="cpu")
    for number, run in enumerate(suite.runs[: len(suite.variants)]):
        recipe = suite.recipe(run, changes=[small, {"backbone": network}])
        out = world.folder / f"model-{number}"
        fit(world.folder / "things", out, recipe=recipe, options=options)
        (answer,) = load(out, device="cpu").score([picture])
        assert isinstance(answer, Result), run.variant.title
