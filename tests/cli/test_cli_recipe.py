"""From options to a recipe."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from normalis.cli.recipe import chosen_recipe, parse_size
from normalis.errors import SettingsError
from normalis.presets import preset
from normalis.recipes import Recipe


def test_nothing_given_is_the_default() -> None:
    assert chosen_recipe(None, {"preset": None, "training": {"epochs": None}}) == Recipe()


def test_assignments_win_over_options_and_these_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text("[training]\nepochs = 1\nseed = 1\nbatch_size = 2\n")
    options = {"training": {"epochs": 3, "seed": 4, "batch_size": None}}
    recipe = chosen_recipe(file, options, assignments=["training.epochs=5"])
    training = recipe.training
    assert (training.epochs, training.seed, training.batch_size) == (5, 4, 2)


@pytest.mark.parametrize("option", [None, "vqflow-paper"])
def test_a_file_may_name_its_preset_and_the_option_wins(tmp_path: Path, option: str | None) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('preset = "flow"\n')
    assert chosen_recipe(file, {"preset": option}) == preset(option or "flow")


def test_a_group_is_no_value() -> None:
    with pytest.raises(SettingsError, match="group of settings"):
        chosen_recipe(None, {"training": {"epochs": 3}}, assignments=["training=5"])


@pytest.mark.parametrize("text", ["preset=no", "preset=[1]", "training.epoch=5", "epochs"])
def test_a_wrong_name_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        chosen_recipe(None, {}, assignments=[text])


@given(st.integers(0, 9999), st.integers(0, 9999))
def test_sizes(height: int, width: int) -> None:
    assert parse_size(f"{height}") == (height, height)
    assert parse_size(f"{height}x{width}") == parse_size(f"{height}X{width}") == (height, width)


@pytest.mark.parametrize("text", ["", "x", "3x", "3x4x5", "-3", "3.5", "a", "²", "9" * 5000])
def test_another_size_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--size"):
        parse_size(text)
