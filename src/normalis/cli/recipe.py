"""The recipe that a command's options mean."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from normalis.errors import SettingsError
from normalis.presets import preset
from normalis.recipes import Recipe, parse_assignment, read_recipe, recipe_from

__all__ = ["chosen_recipe", "parse_size"]


def chosen_recipe(
    file: Path | None, options: Mapping[str, Any], *, assignments: Sequence[str] = ()
) -> Recipe:
    """A preset with what the file says, over that the options, and over that the assignments.

    Args:
        file: A TOML file of settings; it may name the preset it starts from.
        options: Nested like the recipe; None stands for an option that was not given.
        assignments: As `a.b=value`.

    Raises:
        SettingsError: A file, name or value that is not right.
    """
    tree: dict[str, Any] = {}
    given = [read_recipe(file)] if file else []
    for more in (*given, options, *map(parse_assignment, assignments)):
        tree = _merged(tree, more)
    return recipe_from(preset(str(tree.pop("preset", "vqflow"))), tree)


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of "320" or "320x256".

    Raises:
        SettingsError: Another form.
    """
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(
        side.isascii() and side.isdigit() and len(side) < 11 for side in sides
    ):
        raise SettingsError(f"--size {text}: give one side, as in 320, or HEIGHTxWIDTH.")
    return int(sides[0]), int(sides[-1])


def _merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """One tree over another; None leaves what is there."""
    merged = dict(base)
    for name, value in more.items():
        below = merged.get(name)
        if isinstance(value, Mapping) and isinstance(below, Mapping | None):
            merged[name] = _merged(below or {}, value)
        elif value is not None:
            merged[name] = value
    return merged
