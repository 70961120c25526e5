"""Planting on good pictures that the model did not learn from."""

import shutil
from pathlib import Path

import pytest
from api_samples import World

from normalis.api import FitSummary
from normalis.api.sensitivity import sensitivity
from normalis.bundle.load import picture_uses
from normalis.bundle.sealed import file_digest
from normalis.errors import DatasetError
from normalis.sensitivity.measure import Example
from normalis.sensitivity.plan import Plan
from small_world import Listener, write_pictures

PLAN = Plan(kinds=("dark spot",), contrasts=(1.0,), pictures=3)
Whole = tuple[Path, FitSummary]


def used(world: World, model: Path, *uses: str) -> list[Path]:
    known = picture_uses(model)
    return [path for path in sorted(world.data.iterdir()) if known[file_digest(path)] in uses]


def test_pictures_learned_from_are_never_used(world: World, whole: Whole) -> None:
    model, _ = whole
    listener = Listener()
    card = sensitivity(
        model, world.data, plan=Plan(kinds=("scratch",), pictures=99), observer=listener
    )
    names = {name for product in card.products for name in product.pictures}
    held_out = {path.name for path in used(world, model, "validation", "calibration")}
    assert names
    assert names <= held_out
    alarms = sum(product.clean_alarms for product in card.products)
    assert len(names) + alarms == len(held_out)
    assert sum(product.never_seen for product in card.products) == 0
    assert card.data == world.data.name
    assert all(product.name.startswith("concept ") for product in card.products)


def test_pictures_never_seen_come_first_and_copies_count_once(
    world: World, whole: Whole, tmp_path: Path
) -> None:
    model, _ = whole
    folder = tmp_path / "line"
    for product in ("bolt", "nut", "washer"):
        for path in write_pictures(tmp_path / "new", 12, seed=5).glob(f"{product}*"):
            lay(path, folder / product / "test/good")
        for path in used(world, model, "train", "calibration"):
            if path.name.startswith(product):
                lay(path, folder / product / "train/good")
        lay(next(folder.glob(f"{product}/test/good/*")), folder / product / "test/good", "copy-")
    card = sensitivity(model, folder, plan=PLAN)
    assert [product.name for product in card.products] == ["bolt", "nut", "washer"]
    for product in card.products:
        assert product.never_seen == len(product.pictures)
        assert product.never_seen + product.clean_alarms == 3


def lay(path: Path, folder: Path, prefix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, folder / (prefix + path.name))


def test_known_defects_are_not_taken_for_good(whole: Whole, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(write_pictures(tmp_path / "new", 6, seed=5).iterdir())):
        lay(path, tmp_path / "line/bolt" / ("test/good" if number % 2 else "test/scratch"))
    card = sensitivity(whole[0], tmp_path / "line", plan=PLAN)
    (product,) = card.products
    assert all("test/good" in name for name in product.pictures)
    assert len(product.pictures) + product.clean_alarms == 3


def test_without_held_out_pictures_it_says_what_to_give(
    world: World, whole: Whole, tmp_path: Path
) -> None:
    for path in used(world, whole[0], "train"):
        lay(path, tmp_path / "line")
    with pytest.raises(DatasetError, match=r"learned from all of its .* give pictures that"):
        sensitivity(whole[0], tmp_path / "line", plan=PLAN)


def test_broken_pictures_are_skipped_and_told(whole: Whole, tmp_path: Path) -> None:
    write_pictures(tmp_path / "line", 3, seed=5)
    (tmp_path / "line/broken.png").write_text("no picture")
    card = sensitivity(whole[0], tmp_path / "line", plan=PLAN)
    assert [name for name, _ in card.skipped] == ["broken.png"]


def test_the_same_seed_gives_the_same_card_and_examples_are_drawn(
    world: World, whole: Whole
) -> None:
    drawn: list[Example] = []
    cards = [sensitivity(whole[0], world.data, plan=PLAN, draw=drawn.append) for _ in range(2)]
    assert cards[0] == cards[1]
    assert len(drawn) == 2 * sum(bool(product.curves) for product in cards[0].products)
