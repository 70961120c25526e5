"""The store: what goes in comes out, whole or not at all, whoever else is writing."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from normalis.errors import StoreError
from normalis.features import store as store_module
from normalis.features.store import FeatureStore

SHAPES = ((2, 3, 4), (5, 1, 2))
DIGEST = "ab" * 32

# The module alone is loaded, because its package needs torch, which takes seconds to import.
WRITER = f"""
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
import numpy as np
spec = spec_from_file_location("store", {store_module.__file__!r})
module = module_from_spec(spec)
spec.loader.exec_module(module)
store = module.FeatureStore(Path(sys.argv[1]), ((64, 32, 32),))
print("ready", flush=True)
for turn in range(int(sys.argv[2])):
    for index in range(8):
        store.write(f"{{index:064x}}", [np.full((64, 32, 32), index, np.float32)])
"""


def random_maps(seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.normal(size=shape).astype(np.float32) for shape in SHAPES]


def start_writer(folder: Path, turns: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(turns)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_written_is_read_unchanged(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, SHAPES)
    maps = random_maps()
    assert not store.has(DIGEST)
    store.write(DIGEST, maps)
    assert store.has(DIGEST)
    for stored, given in zip(store.read(DIGEST), maps, strict=True):
        assert np.array_equal(stored, given)
    assert [path.name for path in files_in(tmp_path)] == [f"{DIGEST}.npy"]
    assert list(store.digests()) == [DIGEST]


def test_what_is_read_is_mapped_and_cannot_be_changed(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, SHAPES)
    store.write(DIGEST, random_maps())
    level = store.read(DIGEST)[0]
    assert isinstance(level, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        level[0, 0, 0] = 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_number_are_refused(value: float, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, ((1, 1, 1),))
    with pytest.raises(StoreError, match="infinite or NaN"):
        store.write(DIGEST, [np.full((1, 1, 1), value, np.float32)])
    assert not store.has(DIGEST)


def spoil(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[:-1])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("not features")
    elif how == "other shape":
        np.save(path, np.zeros(33, np.float32))
    elif how == "other type":
        np.save(path, np.zeros(34, np.float16))
    elif how == "pickled":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    elif how == "archive":
        with path.open("wb") as file:
            np.savez(file, a=np.zeros(34, np.float32))
    else:
        path.unlink()


@pytest.mark.parametrize(
    "how",
    ["truncated", "empty", "text", "other shape", "other type", "pickled", "archive", "gone"],
)
def test_a_damaged_or_foreign_file_is_as_good_as_missing(how: str, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, SHAPES)
    store.write(DIGEST, random_maps())
    spoil(store.path(DIGEST), how)
    assert not store.has(DIGEST)
    with pytest.raises(StoreError, match=r"missing or damaged.*start again"):
        store.read(DIGEST)
    store.write(DIGEST, random_maps())
    assert store.has(DIGEST)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_and_nothing_is_left(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_a_little(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_bytes", write_a_little)
    with pytest.raises(StoreError) as caught:
        FeatureStore(tmp_path, SHAPES).write(DIGEST, random_maps())
    assert f"{tmp_path} is full" in str(caught.value)
    assert "NORMALIS_CACHE" in str(caught.value)
    assert not files_in(tmp_path)


def test_a_write_that_the_system_cuts_short_leaves_nothing(tmp_path: Path) -> None:
    """A real short write: the limit on file sizes stands in for a full disk."""
    store = FeatureStore(tmp_path, ((64, 32, 32),))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(StoreError, match="is full"):
            store.write(DIGEST, [np.zeros((64, 32, 32), np.float32)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not files_in(tmp_path)


def test_an_interrupted_write_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        FeatureStore(tmp_path, SHAPES).write(DIGEST, random_maps())
    assert not files_in(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"file cannot be written"):
        FeatureStore(tmp_path / "file", SHAPES).write(DIGEST, random_maps())


def test_a_killed_writer_leaves_whole_features_only(tmp_path: Path) -> None:
    writer = start_writer(tmp_path, 10**6)
    assert writer.stdout is not None
    with writer.stdout:
        assert writer.stdout.readline() == "ready\n"
        time.sleep(0.1)
        os.kill(writer.pid, signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL
    store = FeatureStore(tmp_path, ((64, 32, 32),))
    digests = list(store.digests())
    assert digests
    for digest in digests:
        assert (store.read(digest)[0] == int(digest, 16)).all()


def test_two_processes_may_write_the_same_pictures(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path, 20), start_writer(tmp_path, 20)]
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0, 0]
    store = FeatureStore(tmp_path, ((64, 32, 32),))
    assert len(files_in(tmp_path)) == 8
    for index in range(8):
        assert (store.read(f"{index:064x}")[0] == index).all()


def test_only_long_abandoned_temporary_files_are_swept(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, SHAPES)
    store.write(DIGEST, random_maps())
    fresh, old = tmp_path / ".partial-1-fresh", tmp_path / ".partial-2-old"
    for path in (fresh, old):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    os.utime(store.path(DIGEST), (0, 0))
    store.sweep()
    assert fresh.exists()
    assert not old.exists()
    assert store.has(DIGEST)
