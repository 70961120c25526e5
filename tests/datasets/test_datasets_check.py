"""The check finds what is wrong with a data set, and never stops at it."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from normalis.datasets.check import ModeCount, Problem, SampleCount, SizeCount, check_dataset
from normalis.datasets.layouts import open_dataset


def picture(path: Path, seed: int, size: tuple[int, int] = (8, 6), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(path)


def build(root: Path) -> None:
    for i in range(3):
        picture(root / f"nut/train/good/{i}.png", i)
    picture(root / "nut/train/good/grey.png", 3, (10, 6), "L")
    for i in range(4):
        picture(root / f"nut/test/crack/{i}.png", 10 + i)
    picture(root / "nut/ground_truth/crack/0.png", 20, mode="L")
    picture(root / "nut/ground_truth/crack/1.png", 21, (6, 8), "L")
    (root / "nut/ground_truth/crack/2.png").write_text("no mask")


def test_a_sound_data_set_has_no_findings(tmp_path: Path) -> None:
    for i in range(3):
        picture(tmp_path / f"{i}.png", i)
    check = check_dataset(open_dataset(tmp_path))
    assert check.layout == "folder"
    assert check.pictures == 3
    assert check.counts == (SampleCount("", "train", "", 3),)
    assert check.sizes == (SizeCount(8, 6, 3),)
    assert check.modes == (ModeCount("RGB", 3),)
    findings = (check.unreadable, check.duplicates, check.leaks, check.masks_missing)
    assert findings == ((), (), (), ())
    assert check.masks_unusable == check.warnings == ()


def test_counts_sizes_and_modes(tmp_path: Path) -> None:
    build(tmp_path)
    check = check_dataset(open_dataset(tmp_path))
    assert check.counts == (
        SampleCount("nut", "test", "crack", 4),
        SampleCount("nut", "train", "good", 4),
    )
    assert check.sizes == (SizeCount(8, 6, 7), SizeCount(10, 6, 1))
    assert check.modes == (ModeCount("RGB", 7), ModeCount("L", 1))


def test_masks_of_another_size_broken_or_missing(tmp_path: Path) -> None:
    build(tmp_path)
    check = check_dataset(open_dataset(tmp_path))
    assert check.masks_missing == ("nut/test/crack/3.png",)
    wrong, broken = check.masks_unusable
    assert (wrong.name, broken.name) == ("nut/test/crack/1.png", "nut/test/crack/2.png")
    assert "6x8" in wrong.reason
    assert "not a picture" in broken.reason


def test_masks_are_not_missed_where_a_category_has_none(tmp_path: Path) -> None:
    picture(tmp_path / "train/good/0.png", 0)
    picture(tmp_path / "test/crack/0.png", 1)
    assert check_dataset(open_dataset(tmp_path)).masks_missing == ()


def test_broken_pictures_are_counted_and_passed_over(tmp_path: Path) -> None:
    picture(tmp_path / "good.png", 0)
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    check = check_dataset(open_dataset(tmp_path))
    assert [p.name for p in check.unreadable] == ["cut.png", "empty.png", "text.png"]
    assert check.unreadable[1] == Problem("empty.png", "the file is empty (0 bytes).")
    assert check.pictures == 4
    assert check.sizes == (SizeCount(8, 6, 1),)


def test_copies_are_found_and_those_across_the_splits_told(tmp_path: Path) -> None:
    build(tmp_path)
    shutil.copy(tmp_path / "nut/train/good/0.png", tmp_path / "nut/train/good/copy.png")
    (tmp_path / "nut/test/good").mkdir()
    shutil.copy(tmp_path / "nut/train/good/1.png", tmp_path / "nut/test/good/leak.png")
    check = check_dataset(open_dataset(tmp_path))
    leak = ("nut/test/good/leak.png", "nut/train/good/1.png")
    assert check.duplicates == (leak, ("nut/train/good/0.png", "nut/train/good/copy.png"))
    assert check.leaks == (leak,)


def test_parts_in_both_splits_are_told(tmp_path: Path) -> None:
    rows = ["0.png,train,a", "1.png,train,b", "2.png,test,b", "3.png,test,c"]
    for i in range(4):
        picture(tmp_path / f"{i}.png", i)
    (tmp_path / "parts.csv").write_text("\n".join(["path,split,group", *rows, ""]))
    check = check_dataset(open_dataset(tmp_path / "parts.csv"))
    assert (check.groups, check.groups_apart) == (3, ("b",))


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    for i in range(3):
        picture(tmp_path / f"{i}.png", i)
    steps: list[tuple[int, int]] = []
    check_dataset(open_dataset(tmp_path), progress=lambda done, all_: steps.append((done, all_)))
    assert steps == [(1, 3), (2, 3), (3, 3)]
