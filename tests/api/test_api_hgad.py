"""HGAD from pictures to answers: with classes that are found and with categories."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from api_samples import World, files

from normalis.api import describe, evaluate, load
from normalis.detectors.hgad.settings import HGADSettings
from normalis.errors import FitError
from normalis.recipes import Recipe
from normalis.results import Result
from small_world import PRODUCTS, Listener, write_pictures

SMALL = HGADSettings(
    blocks=2,
    hidden=8,
    position_width=4,
    descriptor=8,
    centres=3,
    places=4,
    memory=8,
    information=1.0,
    smoothing=1.0,
)


class KilledError(Exception):
    """As an interruption would end a fit."""


def kill() -> None:
    raise KilledError


def recipe(world: World, **changes: Any) -> Recipe:
    return replace(world.recipe(), preset="hgad", method=replace(SMALL, **changes))


@pytest.fixture(scope="module")
def categories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pictures of the world, a folder a product, and test pictures of each."""
    root = tmp_path_factory.mktemp("categories")
    for use, count, seed in (("train", 30, 0), ("test", 9, 1)):
        for picture in sorted(write_pictures(root / "all", count, seed=seed).iterdir()):
            product = picture.name.split("-")[0]
            folder = root / "data" / product / use / "good"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.move(picture, folder / picture.name)
    for product in PRODUCTS:
        folder = root / "data" / product / "test" / "scratch"
        folder.mkdir()
        good = next((root / "data" / PRODUCTS[0] / "test" / "good").iterdir())
        shutil.copy(good, folder / "000.png")
    return root / "data"


def test_found_classes_are_answered_with_a_probability(world: World, tmp_path: Path) -> None:
    summary = world.fit(tmp_path / "model", recipe=recipe(world))
    assert summary.concept_names == ()
    assert sum(summary.concept_pictures) == summary.pictures.train
    answers = list(load(tmp_path / "model").score(sorted(world.data.iterdir())))
    for answer in answers:
        assert isinstance(answer, Result)
        assert answer.concept_name is None
        assert answer.concept_probability is not None
        assert 0 < answer.concept_probability <= 1


def test_categories_are_learned_and_answered_by_name(
    world: World, categories: Path, tmp_path: Path
) -> None:
    summary = world.fit(
        tmp_path / "model", data=categories, recipe=recipe(world, labels="categories")
    )
    assert summary.concept_names == tuple(sorted(PRODUCTS))
    assert describe(tmp_path / "model").manifest.concept_names == summary.concept_names
    pictures = sorted((categories / "nut" / "test" / "good").iterdir())
    answers = load(tmp_path / "model").score(pictures)
    assert {answer.concept_name for answer in answers if isinstance(answer, Result)} == {"nut"}
    result = evaluate(tmp_path / "model", categories, device="cpu")
    assert {name for name, _ in result.honest.rows} == set(PRODUCTS)


def test_categories_must_be_there_to_be_learned(world: World, tmp_path: Path) -> None:
    with pytest.raises(FitError, match=r"has no category.*or let concepts be found"):
        world.fit(tmp_path / "model", recipe=recipe(world, labels="categories"))


def test_a_resumed_fit_is_the_uninterrupted_one(world: World, tmp_path: Path) -> None:
    settings = recipe(world)
    world.fit(tmp_path / "whole", recipe=settings)
    with pytest.raises(KilledError):
        world.fit(tmp_path / "again", recipe=settings, observer=Listener(at_step=7, act=kill))
    world.fit(tmp_path / "again", recipe=settings, resume=True)
    assert files(tmp_path / "again") == files(tmp_path / "whole")
