"""HGAD from pictures to answers: with classes that are found and with categories."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from api_samples import World, files

from normalis.api import FitOptions, describe, evaluate, fit, load
from normalis.detectors.hgad.settings import HGADSettings
from normalis.errors import DatasetError, FitError, SettingsError
from normalis.evaluation.figures import set_means
from normalis.evaluation.folder import read_result, write_result
from normalis.recipes import Recipe
from normalis.report.tables import as_text, figure_table
from normalis.report.views import make_view
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
    (use,) = summary.records[-1].codebooks
    assert (use.name, use.in_use) == ("concept", len(summary.concept_pictures))
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
    assert summary.records[-1].purity == 1
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


# --- the published form ---

PUBLISHED: dict[str, Any] = {
    "levels": (0, 1, 2),
    "hidden": 0,
    "subnet_norm": False,
    "labels": "categories",
    "places": 0,
    "whitening": "none",
    "memory": 0,
    "single_picture": False,
    "top_share": 0.0,
}


@pytest.fixture(scope="module")
def published(world: World, categories: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tmp_path_factory.mktemp("published") / "model"
    small = recipe(world, **PUBLISHED)
    backbone = replace(small.backbone, maps=(2,), pool=False, scales=(1.0, 0.5, 0.25))
    world.fit(
        model,
        data=categories,
        recipe=replace(
            small,
            preset="hgad-paper",
            backbone=backbone,
            preparation=replace(small.preparation, height=128, width=128, fit="crop"),
        ),
    )
    return model


def test_the_published_form_scores_no_single_picture(world: World, published: Path) -> None:
    with pytest.raises(SettingsError, match=r"whole test set of a known class.*preset 'hgad'"):
        list(load(published).score(sorted(world.data.iterdir())[:1]))


def test_the_published_form_is_evaluated_by_the_paper_protocol_alone(
    categories: Path, published: Path, tmp_path: Path
) -> None:
    result = evaluate(published, categories, device="cpu")
    for name, figures in result.paper.rows:
        assert name in PRODUCTS
        assert figures.image_auroc is not None
        assert (figures.images, figures.defects) == (4, 1)
    assert "no figures" in result.honest.protocol
    assert "the test picture's class" in result.honest.protocol
    for _, figures in (*result.honest.rows, ("", result.honest.mean)):
        assert figures.image_auroc is None
        assert figures.images
    assert len(result.pictures) == 12
    assert not any(picture.is_anomaly for picture in result.pictures)
    write_result(result, tmp_path)
    assert read_result(tmp_path) == result
    assert make_view(result).summary.startswith("No picture was called a defect or good")


def test_the_score_of_a_published_picture_depends_on_its_set(
    categories: Path, published: Path, tmp_path: Path
) -> None:
    fewer = shutil.copytree(categories, tmp_path / "fewer")
    for good in sorted((fewer / PRODUCTS[0] / "test" / "good").iterdir())[1:]:
        good.unlink()
    scores = [
        {p.name: p.score for p in evaluate(published, data, device="cpu").pictures}
        for data in (categories, fewer)
    ]
    shared = [name for name in scores[1] if name.startswith(PRODUCTS[0])]
    assert shared
    assert any(scores[0][name] != pytest.approx(scores[1][name], rel=1e-4) for name in shared)


def test_a_class_that_was_not_learned_is_refused(
    categories: Path, published: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(categories, tmp_path / "other")
    (other / PRODUCTS[0]).rename(other / "screw")
    with pytest.raises(DatasetError, match=r"has not learned the class 'screw'.*washer"):
        evaluate(published, other, device="cpu")


# --- several data sets in one model ---


def test_data_sets_are_learned_as_one_and_reported_one_by_one(
    world: World, categories: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(categories, tmp_path / "plant")
    for index, picture in enumerate(sorted(other.rglob("*.png"))):  # copies would count once
        shutil.copy(write_pictures(tmp_path / "new", 1, seed=90 + index) / "bolt-000.png", picture)
    sets = [categories, other]
    summary = fit(
        sets,
        tmp_path / "model",
        recipe=recipe(world, labels="categories"),
        options=FitOptions(cache=world.cache, device="cpu"),
    )
    expected = sorted(f"{root}/{product}" for root in ("data", "plant") for product in PRODUCTS)
    assert list(summary.concept_names) == expected
    result = evaluate(tmp_path / "model", sets, device="cpu")
    assert result.data == "data + plant"
    assert [name for name, _ in result.honest.rows] == expected
    means = dict(set_means(result.honest))
    assert list(means) == ["mean of data", "mean of plant"]
    assert {figures.images for figures in means.values()} == {12}
    assert "mean of plant" in as_text(figure_table(result.honest, result.paper))
