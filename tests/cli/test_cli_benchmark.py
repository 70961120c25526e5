"""`normalis benchmark`: a suite from the command line to tables and pages."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_samples import run

from normalis.api.apart import Job, make_run
from normalis.progress import Observer
from suite_world import write_suite


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Runs are made in this process; gives those made."""
    made: list[Job] = []

    def run_here(job: Job, *, observer: Observer) -> None:
        made.append(job)
        make_run(job, observer=observer)

    monkeypatch.setattr("normalis.api.benchmark.run_apart", run_here)
    return made


def test_a_suite_from_pictures_to_pages(tmp_path: Path, here: list[Job]) -> None:
    suite, out = write_suite(tmp_path), tmp_path / "out"
    command = ["benchmark", suite, "--out", out, "--seeds", "7", "--set", "training.epochs=1"]
    lines = run(*command, "--device", "cpu")
    assert "runs: 2 made, 2 skipped, 0 failed" in lines
    assert any(line.startswith("| bottle | 2 good, 2 with defects | ") for line in lines)
    assert [(job.recipe.training.seed, job.recipe.training.epochs) for job in here] == [(7, 1)] * 2
    tree = json.loads((out / "benchmark.json").read_text())
    for one in tree["runs"]:
        pictures = out / one["folder"] / "pictures"
        assert len(list(pictures.iterdir())) == 2 * 8, "each test picture twice"
    page = (out / "index.html").read_text()
    links = re.findall(r'href="([^"#]+)"', page)
    assert len(links) == 4
    assert all((out / link).is_file() for link in links)


def test_data_lie_where_the_command_says(tmp_path: Path, here: list[Job]) -> None:
    suite = write_suite(tmp_path / "a")
    (tmp_path / "b").mkdir()
    for name in ("things", "test_resnet.safetensors"):
        (tmp_path / "a" / name).rename(tmp_path / "b" / name)
    out = ("--out", tmp_path / "out", "--device", "cpu", "--set", "training.epochs=1")
    assert "could make none of its runs" in run("benchmark", suite, *out, fails=2)[-1]
    run("benchmark", suite, *out, "--root", tmp_path / "b")
    assert {job.data for job in here} == {tmp_path / "b/things"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["smok"], "There is no suite 'smok'; did you mean 'smoke'?"),
        (["smoke", "--seeds", "0,x"], "--seeds 0,x: give whole numbers"),
        (["smoke", "--seeds", "0,0"], "has the seeds [0, 0]"),
        (["smoke", "--seeds", "9" * 5000], "give whole numbers"),
        (["smoke", "--data", "examples"], "--data examples: a data set's place is given as NAME="),
        (["smoke", "--data", "example=x"], "no data set 'example'; did you mean 'examples'"),
        (["smoke", "--set", "training.epoch=1"], "did you mean 'training.epochs'"),
        (["smoke", "--device", "abacus"], "There is no device 'abacus'"),
        (["none.toml"], "none.toml: cannot be read"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    lines = run("benchmark", *arguments, "--out", tmp_path / "out", fails=2)
    assert len(lines) == 1
    assert words in lines[0]


def test_a_page_of_something_else_is_kept(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    (line,) = run("benchmark", "smoke", "--out", tmp_path, fails=2)
    assert line.startswith(f"error: {tmp_path / 'index.html'}: is already there")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_kill_in_the_middle_of_a_suite(tmp_path: Path) -> None:
    """The command that follows ends what was begun, and repeats nothing."""
    suite, out = write_suite(tmp_path), tmp_path / "out"
    command = ["benchmark", str(suite), "--out", str(out), "--device", "cpu"]
    with subprocess.Popen(
        [sys.executable, "-m", "normalis.cli.main", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        end = time.monotonic() + 120
        while not list(out.glob("runs/*/run.json")):
            assert time.monotonic() < end, "no run was finished"
            time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
    assert not (out / "benchmark.json").exists()
    (first,) = (path for path in (out / "runs").iterdir() if path.suffix != ".partial")
    before = (first / "run.json").read_bytes()
    lines = run(*command)
    assert "runs: 2 made, 2 skipped, 0 failed" in lines
    assert lines.count("  made before") == 1
    assert (first / "run.json").read_bytes() == before
