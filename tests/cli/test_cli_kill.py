"""A run that is killed leaves nothing that looks finished."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_samples import TINY, Fitted, draw, run

TABLES = {"answers.jsonl", "answers.csv"}
PARTIAL = {f"{name}.partial" for name in TABLES}


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A process in the background may be told to ignore interrupts, and its children with it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize(
    ("number", "left"),
    [(signal.SIGKILL, PARTIAL), (signal.SIGTERM, PARTIAL), (signal.SIGINT, set[str]())],
)
def test_a_signal_in_the_middle_of_score(
    fitted: Fitted, tmp_path: Path, number: signal.Signals, left: set[str]
) -> None:
    pictures, out = tmp_path / "in", tmp_path / "out"
    first = draw(pictures / "0.png", kind="disc", seed=0)
    for i in range(1, 400):
        (pictures / f"{i}.png").write_bytes(first.read_bytes())
    run("score", fitted.model, first, "--out", out)
    command = [sys.executable, "-m", "normalis.cli.main", "score", str(fitted.model), str(pictures)]
    with subprocess.Popen(
        [*command, "--out", str(out), "--workers", "3"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        partial = out / "answers.jsonl.partial"
        wait_until(lambda: partial.exists() and partial.stat().st_size > 0)
        running.send_signal(number)
        running.wait(timeout=30)
    assert running.returncode in (-number, 128 + number)
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)  # nothing that it started is left
    assert {path.name for path in out.iterdir() if path.is_file()} == left
    run("score", fitted.model, first, "--out", out)
    assert {path.name for path in out.iterdir() if path.is_file()} == TABLES


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_kill_in_the_middle_of_fit(fitted: Fitted, tmp_path: Path) -> None:
    model, partial = tmp_path / "model", tmp_path / "model.partial"
    command = ["fit", str(fitted.data), "--out", str(model), *TINY]
    command += ["--set", "training.least_steps=60", "--set", "training.patience=60"]
    with subprocess.Popen(
        [sys.executable, "-m", "normalis.cli.main", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        wait_until((partial / "checkpoint.pt").exists)
        running.send_signal(signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    assert not model.exists()
    assert "--resume" in run(*command, fails=2)[-1]
    run(*command, "--resume")
    assert "model:" in run("info", model)[0]
    assert not partial.exists()


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end, "nothing was written"
        time.sleep(0.01)
