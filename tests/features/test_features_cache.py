"""The cache folder: listed and cleared, and nobody else's file is touched."""

import sys
from pathlib import Path

import pytest
from features_samples import SMALL, FakePyramid, write_pictures

from normalis.errors import StoreError
from normalis.features.cache import cache_folder, clear_cache, list_stores
from normalis.features.extract import FeatureTable, extract_features


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Return a cache with two stores, of three pictures and of one."""
    fill(tmp_path, "a", 3)
    fill(tmp_path, "b", 1)
    return tmp_path / "cache"


def fill(folder: Path, fingerprint: str, count: int) -> FeatureTable:
    samples = write_pictures(folder / "in", count)
    pyramid = FakePyramid(fingerprint=fingerprint)
    return extract_features(samples, pyramid=pyramid, preparation=SMALL, cache=folder / "cache")


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_stores_are_listed_with_what_they_hold(cache: Path) -> None:
    stores = list_stores(cache)
    assert sorted(store.pictures for store in stores) == [1, 3]
    assert sum(store.bytes for store in stores) == bytes_in(cache)
    for store in stores:
        assert store.backbone == "fake"
        assert "height=16" in store.preparation
        assert "fit=squash" in store.preparation
        assert store.bytes == bytes_in(cache / store.key)


def test_everything_is_cleared(cache: Path) -> None:
    (cache / list_stores(cache)[0].key / ".partial-1-x").write_bytes(b"half")
    before = bytes_in(cache)
    assert clear_cache(cache) == before
    assert not list(cache.iterdir())
    assert list_stores(cache) == ()
    assert clear_cache(cache) == 0


def test_one_store_is_cleared_by_its_key(cache: Path) -> None:
    one, other = list_stores(cache)
    assert clear_cache(cache, key=one.key) == one.bytes
    assert list_stores(cache) == (other,)


def test_an_unknown_key_is_refused_with_those_there_are(cache: Path) -> None:
    keys = [store.key for store in list_stores(cache)]
    with pytest.raises(StoreError, match=f"no store ../x; it has: {keys[0]}, {keys[1]}"):
        clear_cache(cache, key="../x")
    assert len(list_stores(cache)) == 2


def test_foreign_files_and_folders_stay(cache: Path, tmp_path: Path) -> None:
    key = list_stores(cache)[0].key
    elsewhere = tmp_path / "elsewhere"
    (cache / key).rename(elsewhere)
    (cache / key).symlink_to(elsewhere)
    other = list_stores(cache)[0].key
    foreign = [
        cache / "notes.txt",
        cache / "models" / "weights.npy",
        cache / "copy" / "meta.json",
        cache / other / "notes.txt",
        cache / other / "ab" / "mine.npy",
        cache / other / "ab" / f"{'cd' * 32}.npy",
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (cache / "copy" / "meta.json").write_bytes((cache / other / "meta.json").read_bytes())
    kept = bytes_in(elsewhere)
    clear_cache(cache)
    assert all(path.exists() for path in foreign)
    assert bytes_in(elsewhere) == kept
    assert list_stores(cache) == ()


def test_a_cache_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert list_stores(tmp_path / "none") == ()


def test_a_cache_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="file cannot be read"):
        list_stores(tmp_path / "file")


@pytest.mark.parametrize(
    ("platform", "variables", "wanted"),
    [
        ("linux", {"NORMALIS_CACHE": "/big/disk"}, "/big/disk"),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/normalis"),
        ("linux", {}, "/home/me/.cache/normalis"),
        ("darwin", {}, "/home/me/Library/Caches/normalis"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/normalis"),
        ("win32", {}, "/home/me/AppData/Local/normalis"),
    ],
)
def test_the_folder_follows_the_variable_or_the_platform(
    platform: str, variables: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NORMALIS_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == Path(wanted)
