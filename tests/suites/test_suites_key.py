"""The key of a run: another key for all that may change a figure, the same for all else."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from normalis.datasets.layouts import open_dataset
from normalis.recipes import Recipe, recipe_from
from normalis.suites.key import data_digest, run_key, source_digest
from small_world import Listener, small_recipe, write_weights
from suite_world import make_set

CPU = torch.device("cpu")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_set(tmp_path / "data", categories=("nut",))


def digest(data: Path) -> str:
    return data_digest(open_dataset(data), observer=Listener())


def key(recipe: Recipe, *, data: str = "d", source: str = "s") -> str:
    return run_key(recipe, data=data, source=source, device=CPU)


def test_the_place_of_the_pictures_is_no_matter(data: Path, tmp_path: Path) -> None:
    assert digest(data) == digest(Path(shutil.copytree(data, tmp_path / "elsewhere")))


def test_every_picture_mask_name_and_label_matters(data: Path) -> None:
    seen = [digest(data)]
    train = sorted((data / "nut/train/good").iterdir())
    Image.new("RGB", (9, 9)).save(train[0])
    seen.append(digest(data))
    train[1].unlink()
    seen.append(digest(data))
    train[2].rename(train[2].with_name("renamed.png"))
    seen.append(digest(data))
    Image.new("L", (32, 36), 255).save(data / "nut/ground_truth/hole/0_mask.png")
    seen.append(digest(data))
    (data / "nut/test/hole").rename(data / "nut/test/spot")
    seen.append(digest(data))
    assert len(set(seen)) == len(seen)


def test_what_no_run_uses_does_not_matter(data: Path) -> None:
    before = digest(data)
    (data / "nut/read me.txt").write_text("words")
    assert digest(data) == before


def test_every_setting_and_the_code_matter() -> None:
    plain = Recipe()
    others = [
        recipe_from(plain, {"training": {"seed": 1}}),
        recipe_from(plain, {"vqflow": {"memory": 0}}),
    ]
    keys = [key(plain), *map(key, others), key(plain, data="e"), key(plain, source="t")]
    keys.append(run_key(plain, data="d", source="s", device=torch.device("meta")))
    assert len(set(keys)) == len(keys)
    assert key(plain) == key(Recipe())


def test_of_the_weights_the_content_matters_and_not_the_path(tmp_path: Path) -> None:
    recipe = small_recipe(write_weights(tmp_path))
    copy = Path(shutil.copy(tmp_path / "test_resnet.safetensors", tmp_path / "copy.safetensors"))
    moved = replace(recipe, backbone=replace(recipe.backbone, weights=str(copy)))
    assert key(recipe) == key(moved)
    copy.write_bytes(copy.read_bytes() + b"\0")
    assert key(recipe) != key(moved)


def test_the_source_is_read_once_and_stays() -> None:
    assert source_digest() == source_digest()
