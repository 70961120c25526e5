"""Extraction by processes that are killed, or that work side by side."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from features_samples import FakePyramid, assert_right, extracted, write_pictures

RUN = """
import sys
from pathlib import Path
from features_samples import SMALL, FakePyramid, sample_of
from normalis.features.extract import extract_features
samples = [sample_of(path) for path in sorted(Path(sys.argv[1]).glob("*.png"))]
print("ready", flush=True)
extract_features(
    samples, pyramid=FakePyramid(), preparation=SMALL, cache=Path(sys.argv[2]), batch_size=1
)
"""


def start_run(pictures: Path, cache: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", RUN, str(pictures), str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    samples = write_pictures(tmp_path / "in", 200)
    run = start_run(tmp_path / "in", tmp_path / "cache")
    assert run.stdout is not None
    with run.stdout:
        run.stdout.readline()
        while not list((tmp_path / "cache").rglob("*.npy")):
            assert run.poll() is None
            time.sleep(0.005)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    stored = len(list((tmp_path / "cache").rglob("*.npy")))
    pyramid = FakePyramid()
    table = extracted(samples, tmp_path / "cache", pyramid=pyramid)
    assert sum(pyramid.batches) == 200 - stored
    assert_right(table)


def test_two_processes_may_extract_the_same_pictures(tmp_path: Path) -> None:
    samples = write_pictures(tmp_path / "in", 60)
    other = start_run(tmp_path / "in", tmp_path / "cache")
    assert other.stdout is not None
    other.stdout.readline()
    assert_right(extracted(samples, tmp_path / "cache", batch_size=1))
    other.communicate()
    assert other.returncode == 0
    pyramid = FakePyramid()
    assert_right(extracted(samples, tmp_path / "cache", pyramid=pyramid))
    assert not pyramid.batches
    assert not list((tmp_path / "cache").rglob(".partial-*"))
