"""Extraction: each picture once, in order, with broken ones counted and memory bounded."""

import hashlib
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from features_samples import (
    SMALL,
    FakePyramid,
    assert_right,
    extracted,
    sample_of,
    write_pictures,
)

from normalis.backbones.build import build_pyramid
from normalis.backbones.settings import BackboneSettings
from normalis.errors import ImageError, SettingsError, StoreError
from normalis.features import extract as extract_module
from normalis.features.extract import extract_features
from normalis.images.decode import Picture, read_picture
from normalis.images.prepare import Preparation, prepare


@pytest.mark.parametrize("batch_size", [1, 3, 8, 100])
def test_every_picture_gets_its_own_features(batch_size: int, tmp_path: Path) -> None:
    samples = write_pictures(tmp_path / "in", 8)
    table = extracted(samples, tmp_path / "cache", batch_size=batch_size)
    assert table.samples == tuple(samples)
    assert len(table) == 8
    assert not table.skipped
    wanted = [hashlib.sha256(sample.path.read_bytes()).hexdigest() for sample in samples]
    assert list(table.digests) == wanted
    assert_right(table)


def test_a_batch_holds_the_rows_asked_for(tmp_path: Path) -> None:
    table = extracted(write_pictures(tmp_path / "in", 5), tmp_path / "cache")
    every = table.batch(range(5))
    some = table.batch([3, 0, 3])
    for level, whole in zip(some, every, strict=True):
        assert level.dtype == torch.float32
        assert torch.equal(level, whole[[3, 0, 3]])
        level.zero_()  # a copy: the store stays as it is
    assert torch.equal(table.batch([3])[0], every[0][3:4])
    assert [level.shape[0] for level in table.batch([])] == [0, 0]


def test_nothing_is_computed_twice(tmp_path: Path) -> None:
    samples = write_pictures(tmp_path / "in", 5)
    first, second, third = FakePyramid(), FakePyramid(), FakePyramid()
    extracted(samples[:3], tmp_path / "cache", pyramid=first, batch_size=2)
    extracted(samples, tmp_path / "cache", pyramid=second, batch_size=2)
    extracted(samples[::-1], tmp_path / "cache", pyramid=third)
    assert (first.batches, second.batches, third.batches) == ([2, 1], [2], [])


def test_a_moved_picture_and_a_duplicate_share_features(tmp_path: Path) -> None:
    (sample,) = write_pictures(tmp_path / "in", 1)
    copies = [tmp_path / "in" / f"copy{index}.png" for index in range(3)]
    for copy in copies:
        shutil.copy(sample.path, copy)
    pyramid = FakePyramid()
    table = extracted(
        [sample, *map(sample_of, copies)], tmp_path / "cache", pyramid=pyramid, batch_size=4
    )
    assert pyramid.batches == [1]
    assert len(table) == 4
    assert len(set(table.digests)) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"pyramid": FakePyramid(fingerprint="e" * 64)},
        {"preparation": Preparation(height=16, width=16, fit="pad")},
        {"preparation": Preparation(height=16, width=16, white_level=4095)},
        {"preparation": Preparation(height=24, width=16)},
    ],
)
def test_another_backbone_or_preparation_is_another_store(
    other: dict[str, Any], tmp_path: Path
) -> None:
    samples = write_pictures(tmp_path / "in", 1)
    values: dict[str, Any] = {"pyramid": FakePyramid(), "preparation": SMALL}
    one = extract_features(samples, cache=tmp_path, **values)
    two = extract_features(samples, cache=tmp_path, **(values | other))
    assert one.store.folder != two.store.folder


def broken_files(folder: Path) -> dict[str, Path]:
    whole = write_pictures(folder / "whole", 1)[0].path.read_bytes()
    contents = {"empty": b"", "text": b"not a picture", "truncated": whole[: len(whole) // 2]}
    paths = {name: folder / f"{name}.png" for name in contents}
    for name, content in contents.items():
        paths[name].write_bytes(content)
    return paths | {"missing": folder / "missing.png", "folder": folder}


def test_broken_pictures_are_skipped_with_the_reason(tmp_path: Path) -> None:
    samples = write_pictures(tmp_path / "in", 3)
    broken = [sample_of(path) for path in broken_files(tmp_path / "broken").values()]
    mixed = [broken[0], samples[0], *broken[1:3], *samples[1:], *broken[3:]]
    calls: list[tuple[int, int]] = []
    table = extracted(
        mixed, tmp_path / "cache", batch_size=2, progress=lambda *call: calls.append(call)
    )
    assert table.samples == tuple(samples)
    assert [sample for sample, _ in table.skipped] == broken
    for sample, reason in table.skipped:
        assert str(sample.path) in reason
    assert_right(table)
    assert calls == [(done, 8) for done in range(1, 9)]


@pytest.mark.parametrize("kind", ["empty", "text", "truncated", "missing", "folder"])
def test_a_strict_run_stops_at_the_first_broken_picture(kind: str, tmp_path: Path) -> None:
    path = broken_files(tmp_path / "broken")[kind]
    samples = [*write_pictures(tmp_path / "in", 2), sample_of(path)]
    with pytest.raises(ImageError, match=path.name):
        extracted(samples, tmp_path / "cache", strict=True)


def test_no_samples_and_no_readable_ones_give_empty_tables(tmp_path: Path) -> None:
    assert len(extracted([], tmp_path / "cache")) == 0
    table = extracted([sample_of(tmp_path / "missing.png")], tmp_path / "cache")
    assert (len(table), len(table.skipped)) == (0, 1)


def test_damaged_features_are_computed_anew(tmp_path: Path) -> None:
    samples = write_pictures(tmp_path / "in", 3)
    table = extracted(samples, tmp_path / "cache")
    paths = [table.store.path(digest) for digest in table.digests]
    paths[0].write_bytes(paths[0].read_bytes()[:-7])
    paths[1].write_text("foreign")
    pyramid = FakePyramid()
    again = extracted(samples, tmp_path / "cache", pyramid=pyramid)
    assert pyramid.batches == [2]
    assert_right(again)


def test_features_removed_meanwhile_are_named(tmp_path: Path) -> None:
    table = extracted(write_pictures(tmp_path / "in", 1), tmp_path / "cache")
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(StoreError, match="start again"):
        table.batch([0])


def test_a_damaged_description_is_replaced(tmp_path: Path) -> None:
    samples = write_pictures(tmp_path / "in", 1)
    meta = extracted(samples, tmp_path / "cache").store.folder / "meta.json"
    whole = meta.read_bytes()
    for content in (b"", b"[]", b'{"kind": "other"}', whole[:-20]):
        meta.write_bytes(content)
        extracted(samples, tmp_path / "cache")
        assert meta.read_bytes() == whole


def test_pictures_are_not_decoded_far_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []
    lead: list[int] = []

    def counted(path: Path) -> Picture:
        decoded.append(path)
        return read_picture(path)

    def watch(done: int, _total: int) -> None:
        time.sleep(0.002)  # let the readers run as far as they may
        lead.append(len(decoded) - done)

    monkeypatch.setattr(extract_module, "read_picture", counted)
    samples = write_pictures(tmp_path / "in", 30)
    extracted(samples, tmp_path / "cache", batch_size=4, progress=watch)
    assert 0 < max(lead) <= 4


def test_a_disk_that_is_too_small_is_refused_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = write_pictures(tmp_path / "in", 4)
    usage = shutil.disk_usage(tmp_path)
    pyramid = FakePyramid()
    one = 4 * (3 * 16 + 3 * 4)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=4 * one - 1))
    with pytest.raises(StoreError, match="4 pictures need"):
        extracted(samples, tmp_path / "cache", pyramid=pyramid)
    assert not pyramid.batches
    extracted(samples[:1], tmp_path / "cache")
    extracted(samples, tmp_path / "cache")  # one is stored already, so the rest has room


def test_a_disk_that_fills_up_stops_the_run_and_keeps_what_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = write_pictures(tmp_path / "in", 4)
    real, written = Path.write_bytes, list[Path]()

    def fill_up(path: Path, content: bytes) -> int:
        written.append(path)
        if len(written) > 3:  # the description and two pictures
            real(path, content[:10])
            raise OSError(28, "No space left on device")
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(StoreError, match="is full"):
        extracted(samples, tmp_path / "cache")
    monkeypatch.undo()
    assert not list((tmp_path / "cache").rglob(".partial-*"))
    pyramid = FakePyramid()
    assert_right(extracted(samples, tmp_path / "cache", pyramid=pyramid))
    assert pyramid.batches == [2]


def test_the_default_cache_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMALIS_CACHE", str(tmp_path / "own"))
    samples = write_pictures(tmp_path / "in", 1)
    table = extract_features(samples, pyramid=FakePyramid(), preparation=SMALL)
    assert table.store.folder.parent == tmp_path / "own"


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        extracted(write_pictures(tmp_path / "in", 1), tmp_path / "file")


def test_the_embedded_backbone_fills_a_store(tmp_path: Path) -> None:
    samples = write_pictures(tmp_path / "in", 3)
    pyramid = build_pyramid(BackboneSettings())
    preparation = Preparation(height=64, width=64)
    table = extract_features(samples, pyramid=pyramid, preparation=preparation, cache=tmp_path)
    assert table.store.shapes == pyramid.shapes(64, 64)
    prepared = [prepare(read_picture(sample.path), preparation).pixels for sample in samples]
    direct = pyramid(torch.from_numpy(np.stack(prepared)))
    for level, wanted in zip(table.batch(range(3)), direct, strict=True):
        torch.testing.assert_close(level, wanted, rtol=2**-10, atol=1e-4)


def test_a_size_the_backbone_cannot_take_is_refused(tmp_path: Path) -> None:
    samples = write_pictures(tmp_path / "in", 1)
    pyramid = build_pyramid(BackboneSettings())
    with pytest.raises(SettingsError, match="at least 32 pixels"):
        extract_features(samples, pyramid=pyramid, preparation=SMALL, cache=tmp_path)
