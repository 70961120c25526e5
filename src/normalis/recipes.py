"""Settings composed: presets, and the one place where a user's words become settings."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from normalis.backbones.settings import BackboneSettings
from normalis.calibration import CalibrationSettings
from normalis.detectors.build import METHODS, Method
from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.errors import SettingsError
from normalis.images.prepare import Preparation
from normalis.training.settings import TrainingSettings

__all__ = [
    "Recipe",
    "parse_assignment",
    "read_recipe",
    "recipe_from",
    "recipe_of",
    "require_known",
]

Tree = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that, with the pictures, decides what a fit gives.

    Attributes:
        preset: The preset that it started from.
        backbone: Which features.
        preparation: How pictures come to the backbone's size.
        method: The detector; its settings stand under the method's name: `vqflow.memory`.
        training: How it is trained.
        calibration: How its threshold is set.
    """

    preset: str = "vqflow"
    backbone: BackboneSettings = field(default_factory=lambda: BackboneSettings(pool=True))
    preparation: Preparation = field(default_factory=Preparation)
    method: Method = field(default_factory=VQFlowSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)

    def __post_init__(self) -> None:
        """Refuse shares that leave nothing to train on."""
        held_out = self.training.validation + self.calibration.share
        if held_out >= 1:
            raise SettingsError(
                f"training.validation and calibration.share hold out {held_out:g} of the pictures "
                "together; they must leave some to train on."
            )

    @property
    def method_name(self) -> str:
        """What the method's settings stand under."""
        return next(name for name, kind in METHODS.items() if isinstance(self.method, kind))

    def to_tree(self) -> dict[str, Any]:
        """Nested dictionaries of plain values, for JSON."""
        return {_shown(self, name): value for name, value in asdict(self).items()}


def recipe_from(base: Recipe, overrides: Tree) -> Recipe:
    """A recipe with some settings replaced.

    Args:
        base: What to start from.
        overrides: Nested like the recipe: `{"training": {"epochs": 5}}`.

    Raises:
        SettingsError: An unknown setting, with the nearest right one; or a value not allowed.
    """
    return _replaced(base, overrides, "")


def recipe_of(tree: Tree) -> Recipe:
    """The recipe that a whole tree states, as `Recipe.to_tree` gives it.

    Raises:
        SettingsError: Not the settings of one method, an unknown setting, or a value not allowed.
    """
    names = [name for name in METHODS if name in tree]
    if len(names) != 1:
        raise SettingsError(
            f"It states the settings of {len(names)} methods, not of one ({', '.join(METHODS)})."
        )
    return recipe_from(Recipe(method=METHODS[names[0]]()), tree)


def read_recipe(path: Path) -> dict[str, Any]:
    """The overrides that a TOML file holds.

    Raises:
        SettingsError: The file is missing or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or absurdly nested
        raise SettingsError(f"{path}: not a TOML file: {error}.") from error


def parse_assignment(text: str) -> dict[str, Any]:
    """The override that `a.b=value` means; the value is TOML, or else text.

    Raises:
        SettingsError: No name or no `=`.
    """
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise SettingsError(f"'{text}': a setting is given as NAME=VALUE, as in training.epochs=5.")
    try:
        tree = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):
        tree = {}
    # A line break in the text would make a second setting of its rest.
    parsed: Any = tree["value"] if len(tree) == 1 else value
    for part in reversed(name.strip().split(".")):
        parsed = {part: parsed}
    return parsed


def require_known(kind: str, names: Sequence[str], *, allowed: Sequence[str]) -> None:
    """Refuse a name that is not allowed, with the nearest right one, or else with all.

    Raises:
        SettingsError: One of the names is not among those allowed.
    """
    for name in names:
        if name not in allowed:
            near = get_close_matches(name, allowed, n=1, cutoff=0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(allowed)}."
            raise SettingsError(f"There is no {kind} '{name}'; {hint}")


def _replaced(base: Any, overrides: Tree, prefix: str) -> Any:  # noqa: ANN401
    """A settings object with some fields replaced, recursively."""
    known = {_shown(base, f.name): f.name for f in fields(base)}
    if isinstance(base, Recipe):
        _require_method(base, overrides)
    allowed = [prefix + name for name in known]
    require_known("setting", [prefix + name for name in overrides], allowed=allowed)
    changes: dict[str, Any] = {}
    for name, value in overrides.items():
        current = getattr(base, known[name])
        if is_dataclass(current):
            if not isinstance(value, Mapping):
                raise SettingsError(f"{prefix}{name} is a group of settings, not a value.")
            changes[known[name]] = _replaced(current, value, f"{prefix}{name}.")
        else:
            changes[known[name]] = value
    return _checked(
        replace(base, **{k: v for k, v in changes.items() if is_dataclass(v)}), changes, prefix
    )


def _shown(base: Any, name: str) -> str:  # noqa: ANN401
    """What a user calls a field: the method's settings stand under the method's name."""
    return base.method_name if isinstance(base, Recipe) and name == "method" else name


def _require_method(recipe: Recipe, overrides: Tree) -> None:
    """Refuse the settings of another method than the recipe's."""
    for name in overrides:
        if name in METHODS and name != recipe.method_name:
            raise SettingsError(
                f"The preset '{recipe.preset}' has no settings of {name}: its method is "
                f"{recipe.method_name}; choose a preset of {name}."
            )


def _checked(base: Any, changes: dict[str, Any], prefix: str) -> Any:  # noqa: ANN401
    """The object built anew through pydantic, so that every value has its field's type."""
    values = {f.name: getattr(base, f.name) for f in fields(base)} | changes
    try:
        return TypeAdapter(type(base)).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"{prefix}{name} cannot be {first['input']!r}: {first['msg']}."
        ) from error
