"""Folders of commands: what an error and what a kill leave, seen from real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from normalis.folders import folder_made, held, scratch_beside

needs_locks = pytest.mark.skipif(os.name == "nt", reason="folders are not held there")

HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom normalis.folders import scratch_beside\n"
    "with scratch_beside(Path(sys.argv[1])) as folder:\n"
    "    (folder / 'half').touch()\n    print(folder, flush=True)\n    time.sleep(60)\n"
)


def started(place: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process with a scratch folder that has been there for a while."""
    command = [sys.executable, "-c", HOLD, str(place)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    folder = Path(running.stdout.readline().strip())
    assert folder.is_dir()
    before = time.time() - 60
    os.utime(folder, (before, before))
    return running, folder


def fail_with(folder: Path, *names: str) -> None:
    """Make a few files, and folders where the name ends so; then fail."""
    for name in names:
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.touch()
    raise ZeroDivisionError


def fail_in(folder: Path, *names: str) -> None:
    with pytest.raises(ZeroDivisionError), folder_made(folder):
        fail_with(folder, *names)


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    with folder_made(tmp_path / "a/b"):
        assert (tmp_path / "a/b").is_dir()
    assert (tmp_path / "a/b").is_dir()


def test_an_error_leaves_no_folder_without_a_file(tmp_path: Path) -> None:
    fail_in(tmp_path / "a/b", "pictures/deep/")
    assert list(tmp_path.iterdir()) == []
    fail_in(tmp_path / "a/b", "pictures/1.png", "empty/deep/")
    left = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))]
    assert left == ["a", "a/b", "a/b/pictures", "a/b/pictures/1.png"]


def test_a_folder_that_was_there_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "mine/empty").mkdir(parents=True)
    fail_in(tmp_path / "mine")
    assert (tmp_path / "mine/empty").is_dir()


def test_a_folder_that_cannot_be_made_leaves_none_above_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"), folder_made(tmp_path / "a" / ("w" * 300)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_folder_goes_with_its_block(tmp_path: Path) -> None:
    with scratch_beside(tmp_path / "out") as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(".out.")
    assert not folder.exists()
    with pytest.raises(ZeroDivisionError), scratch_beside(tmp_path / "out") as folder:
        fail_with(folder, "half", "deep/half")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_scratch_folder_names_the_place(tmp_path: Path) -> None:
    place = tmp_path / "no/out"
    with pytest.raises(OSError, match="No such file") as raised, scratch_beside(place):
        pass
    assert raised.value.filename == str(place)


@needs_locks
def test_what_a_killed_process_left_goes_and_what_a_running_one_has_stays(tmp_path: Path) -> None:
    place = tmp_path / "out"
    other = tmp_path / ".out.mine"
    other.mkdir()
    running, folder = started(place)
    try:
        with scratch_beside(place):
            assert folder.is_dir()
        running.send_signal(signal.SIGKILL)
        running.wait(timeout=30)
        assert (folder / "half").is_file()
        with scratch_beside(tmp_path / "another"):
            assert folder.is_dir()
        with scratch_beside(place):
            assert not folder.exists()
    finally:
        running.kill()
        running.communicate()
    assert list(tmp_path.iterdir()) == [other]


@needs_locks
def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with held(tmp_path) as first, held(tmp_path) as second:
        assert (first, second) == (True, False)
    with held(tmp_path) as again:
        assert again is True
    with held(tmp_path / "nowhere") as unknown:
        assert unknown is None
