"""Suites: the shipped ones, and what a file of one's own may say."""

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.errors import SettingsError
from normalis.presets import PRESETS
from normalis.recipes import Recipe, recipe_from
from normalis.suites import Suite, SuiteData, Variant, read_suite, shipped_suites

OWN = """
question = "Which?"
seeds = [3, 4]
set = { training = { epochs = 2 } }

[[data]]
name = "screws"
path = "sets/screws"

[[data]]
name = "nuts"
path = "/absolute/nuts"

[[variants]]
title = "plain"

[[variants]]
title = "other"
preset = "flow"
backbone = "resnet18"
weights = "files/resnet18.pth"
set = { training = { epochs = 7 }, vqflow = { memory = 0 } }
"""


def own(folder: Path, text: str = OWN) -> Suite:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return read_suite(str(path))


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= (
            flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return found


# --- the shipped ones ---


def test_every_suite_of_the_order_is_shipped() -> None:
    assert shipped_suites() == (
        *("ablation", "ablation-hgad", "industrial", "semantic", "smoke", "unified"),
    )


@pytest.mark.parametrize("name", shipped_suites())
def test_a_shipped_suite_is_right(name: str) -> None:
    suite = read_suite(name)
    assert (suite.name, suite.folder) == (name, Path())
    assert suite.question.endswith((".", "?"))
    recipes = [suite.recipe(run) for run in suite.runs]
    assert len(recipes) == len(suite.data) * len(suite.variants) * len(suite.seeds)
    assert {recipe.preset for recipe in recipes} <= set(PRESETS)


def test_the_ablation_switches_off_each_departure_in_turn() -> None:
    """Every setting marked [fix] or [ours] in which the default departs, and nothing else."""
    marked = re.findall(r"^\s+(\w+): \[(?:fix|ours)\]", inspect.getdoc(VQFlowSettings) or "", re.M)
    assert len(marked) > 5
    suite = read_suite("ablation")
    whole, paper = flat(Recipe().to_tree()), flat(PRESETS["vqflow-paper"]().to_tree())
    departs = [name for name in marked if whole[f"vqflow.{name}"] != paper[f"vqflow.{name}"]]
    changed: list[str] = []
    for run in suite.runs[1 : len(suite.variants) - 1]:
        settings = flat(suite.recipe(run).to_tree())
        (name,) = (n for n in whole if settings[n] != whole[n])
        assert settings[name] == paper[name]
        changed.append(name.removeprefix("vqflow."))
    assert sorted(changed) == sorted(departs)
    first, last = suite.runs[0], suite.runs[len(suite.variants) - 1]
    assert suite.recipe(first) == Recipe()
    assert suite.recipe(last) == PRESETS["flow"]()


def test_the_semantic_suite_has_the_four_splits_of_uniad() -> None:
    suite = read_suite("semantic")
    for name in ("fashion-mnist", "cifar-10"):
        choices = [data.one_class for data in suite.data if data.name.startswith(name)]
        splits = [choice.normal for choice in choices if choice is not None]
        assert splits == [(0, 1, 2, 3, 4), (5, 6, 7, 8, 9), (0, 2, 4, 6, 8), (1, 3, 5, 7, 9)]


def test_smoke_says_that_its_figures_mean_nothing() -> None:
    assert "mean nothing" in read_suite("smoke").question


# --- a file of one's own ---


def test_runs_are_data_times_seeds_times_variants(tmp_path: Path) -> None:
    suite = own(tmp_path)
    assert suite.name == "own"
    assert [run.title for run in suite.runs[:5]] == [
        "screws, plain, seed 3",
        "screws, other, seed 3",
        "screws, plain, seed 4",
        "screws, other, seed 4",
        "nuts, plain, seed 3",
    ]
    assert len(suite.runs) == 8


def test_paths_start_beside_the_file_or_at_the_root(tmp_path: Path) -> None:
    suite = own(tmp_path)
    assert suite.place("sets/screws") == tmp_path / "sets/screws"
    assert suite.place("sets/screws", root=Path("/elsewhere")) == Path("/elsewhere/sets/screws")
    assert suite.place("/absolute/nuts", root=Path("/elsewhere")) == Path("/absolute/nuts")


def test_the_more_special_setting_wins(tmp_path: Path) -> None:
    suite = own(tmp_path)
    plain, other = (suite.recipe(run) for run in suite.runs[:2])
    assert plain == recipe_from(Recipe(), {"training": {"epochs": 2, "seed": 3}})
    assert (other.preset, other.training.epochs, other.to_tree()["vqflow"]["memory"]) == (
        "flow",
        7,
        0,
    )
    assert other.backbone.name == "resnet18"
    assert other.backbone.weights == str(tmp_path / "files/resnet18.pth")
    mine: list[dict[str, Any]] = [{"training": {"epochs": 9, "seed": 99}}]
    changed = suite.recipe(suite.runs[1], changes=mine)
    assert (changed.training.epochs, changed.training.seed) == (9, 3), "the run decides the seed"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("question =", "qestion =", "own.toml: There is no key 'qestion'; did you mean 'question'"),
        ('path = "sets', 'pth = "sets', "'data[0].pth'; did you mean 'data[0].path'"),
        ("preset =", "presets =", "'variants[1].presets'; did you mean 'variants[1].preset'"),
        ("seeds = [3, 4]", "folder = 'x'", "There is no key 'folder'"),
        ("seeds = [3, 4]", "name = 'x'", "There is no key 'name'"),
        ("seeds = [3, 4]", "seeds = ['a']", "own.toml: seeds.0: "),
        ("seeds = [3, 4]", "seeds = [3, 3]", "own.toml: The suite 'own' has the seeds [3, 3]"),
        ("seeds = [3, 4]", "seeds = []", "own.toml: The suite 'own' has the seeds []"),
        ("seeds = [3, 4]", "protocol = ['fair']", "own.toml: protocol.0: "),
        ('title = "other"', 'title = "plain"', "variants ['plain', 'plain']"),
        ('name = "nuts"', 'name = "screws"', "data ['screws', 'screws']"),
        ('path = "sets/screws"', "path = 5", "own.toml: data.0.path: "),
        ('path = "sets/screws"', "path = 'a'\none_class = { normal = [] }", "normal is []"),
        ('path = "sets/screws"', "path = 'a'\none_class = { norm = [1] }", "one_class.normal'"),
        ('path = "sets/screws"', "path = 'a'\none_class = 7", "own.toml: data.0.one_class: "),
        ("[[data]]", "[[data", "not a TOML file"),
        (OWN, "data = 7", "own.toml: question: "),
    ],
)
def test_what_is_not_right_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in OWN
    with pytest.raises(SettingsError, match=re.escape(words)):
        own(tmp_path, OWN.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs = 7", "epoch = 7", "'training.epoch'; did you mean 'training.epochs'"),
        ("epochs = 7", "epochs = 0", "training.epochs is 0"),
        ('preset = "flow"', 'preset = "flw"', "There is no preset 'flw'; did you mean 'flow'"),
    ],
)
def test_a_variant_that_is_no_recipe_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    suite = own(tmp_path, OWN.replace(old, new, 1))
    with pytest.raises(SettingsError, match=re.escape(words)) as caught:
        suite.recipe(suite.runs[1])
    assert str(caught.value).startswith("The suite 'own', variant 'other': ")


def test_a_mistake_of_the_command_is_not_laid_to_the_suite(tmp_path: Path) -> None:
    suite = own(tmp_path)
    with pytest.raises(SettingsError, match=r"^There is no setting 'training\.epoch'"):
        suite.recipe(suite.runs[0], changes=[{"training": {"epoch": 1}}])


def test_an_unknown_suite_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match="There is no suite 'unifid'; did you mean 'unified'"):
        read_suite("unifid")
    with pytest.raises(SettingsError, match="no suite 'zzz'; there are: ablation, ablation-hgad"):
        read_suite("zzz")
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read"):
        read_suite("nowhere.toml")


def test_every_key_is_documented() -> None:
    for kind in (Suite, SuiteData, Variant):
        names = {field.name for field in fields(kind)}
        documented = set(re.findall(r"^\s+(\w+): ", inspect.getdoc(kind) or "", re.M))
        assert names == documented
