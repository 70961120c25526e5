"""One run of a benchmark: continued where it stopped, and made in a process of its own."""

import json
import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from normalis.api.apart import Job, make_run, run_apart
from normalis.evaluation import Result, read_result
from normalis.suites import read_suite
from small_world import Listener
from suite_world import write_suite


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("made")
    suite = read_suite(str(write_suite(folder)))
    job = Job(
        key="k" * 64,
        folder=folder / "run",
        data=folder / "things",
        layout="auto",
        recipe=suite.recipe(suite.runs[0]),
        cache=folder / "cache",
        device="cpu",
    )
    make_run(job, observer=Listener())
    return job


@pytest.fixture
def whole(made: Job) -> Result:
    return read_result(made.folder / "result")


@pytest.fixture
def job(made: Job, tmp_path: Path) -> Job:
    """The same run, not made yet."""
    return replace(made, folder=tmp_path / "run")


@pytest.mark.parametrize("where", ["training", "scoring"])
def test_a_run_that_is_interrupted_within_goes_on_there(
    job: Job, whole: Result, where: str
) -> None:
    """The second attempt ends with the same figures; it does not train what is trained."""
    with pytest.raises(KeyboardInterrupt):
        make_run(job, observer=Interrupting(where))
    assert not job.folder.exists()
    heard = Listener()
    make_run(job, observer=heard)
    assert ("training" in heard.stages) == (where == "training")
    record = json.loads((job.folder / "run.json").read_text())
    assert record["continued"]
    assert record["fit"]["epochs"] == 2
    result = read_result(job.folder / "result")
    assert (result.honest, result.paper) == (whole.honest, whole.paper)
    assert {path.name for path in job.folder.iterdir()} == {"result", "run.json"}
    assert [path.name for path in job.folder.parent.iterdir()] == ["run"]


class Interrupting(Listener):
    """Stops the work when it is half through a stage."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.left = 6

    def advance(self, count: int = 1, *, note: str = "") -> None:
        super().advance(count, note=note)
        if self.stages[-1] == self.where:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


def test_another_process_makes_the_same_run(job: Job, whole: Result) -> None:
    heard = Listener()
    assert run_apart(job, observer=heard) is None
    assert "training" in heard.stages
    assert heard.steps > 0
    record = json.loads((job.folder / "run.json").read_text())
    assert record["key"] == job.key
    assert 50e6 < record["peak_memory"] < 5e9
    assert read_result(job.folder / "result").honest == whole.honest


def test_another_process_says_why_it_failed(job: Job, tmp_path: Path) -> None:
    assert isinstance(job.data, Path)
    data = Path(shutil.copytree(job.data, tmp_path / "things"))
    for picture in data.glob("*/train/good/*.png"):
        picture.write_text("not a picture")
    reason = run_apart(replace(job, data=data), observer=Listener())
    assert reason is not None
    assert "things: 0 good pictures are too few" in reason
    assert not job.folder.exists()


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_another_process_that_is_killed_is_told(job: Job) -> None:
    def kill() -> None:
        (child,) = multiprocessing.active_children()
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)

    assert run_apart(job, observer=Listener(at_step=1, act=kill)) == (
        "its process was killed by signal 9"
    )
    assert not job.folder.exists()


def test_another_process_ends_with_this_one(job: Job) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_apart(job, observer=Listener(at_step=1, act=interrupt))
    assert multiprocessing.active_children() == []
    assert not job.folder.exists()
