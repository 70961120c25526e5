"""What a suite is: a question, and the runs that answer it, read from a TOML file."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from normalis.datasets.semantic import OneClass
from normalis.errors import SettingsError
from normalis.presets import preset
from normalis.recipes import Recipe, read_recipe, recipe_from, require_known

__all__ = [
    "Run",
    "Suite",
    "SuiteData",
    "Variant",
    "read_suite",
    "shipped_suites",
]


@dataclass(frozen=True, kw_only=True)
class SuiteData:
    """A data set.

    Attributes:
        name: What it is called in tables, and by `--data NAME=PATH`.
        path: Folder or manifest, below the root or the suite's own folder; or absolute.
        layout: As `open_dataset` takes it.
        published: Data sets of the published tables that its categories belong to.
        apart: Categories that are shown, but left out of a second mean.
        one_class: Given where the path holds small labelled pictures, of which a data set with
            several normal classes is to be made.
    """

    name: str
    path: str
    layout: str = "auto"
    published: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    one_class: OneClass | None = None


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A recipe to compare.

    Attributes:
        title: What it is called in tables.
        preset: The recipe it starts from.
        backbone: Name of another backbone.
        weights: Its weights' file, below the root or the suite's own folder; or absolute.
        set: Any settings, nested like the recipe.
    """

    title: str
    preset: str = "vqflow"
    backbone: str | None = None
    weights: str | None = None
    set: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Run:
    """One model to be fitted and evaluated.

    Attributes:
        data: On what.
        variant: By which recipe.
        seed: Of the fit.
    """

    data: SuiteData
    variant: Variant
    seed: int

    @property
    def title(self) -> str:
        """For a line of text."""
        return f"{self.data.name}, {self.variant.title}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """Data sets times variants times seeds.

    Attributes:
        name: Of the file, without its ending.
        question: What the suite answers, a sentence.
        data: The data sets, each learned by one model.
        variants: The recipes that are compared.
        seeds: Each variant is fitted once per seed.
        protocol: Which scores the tables show.
        set: Settings that all variants share, nested like the recipe.
        folder: Where relative paths start.
    """

    name: str
    question: str
    data: tuple[SuiteData, ...]
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...] = (0,)
    protocol: tuple[Literal["honest", "paper"], ...] = ("honest", "paper")
    set: dict[str, Any] = field(default_factory=dict[str, Any])
    folder: Path = Path()

    def __post_init__(self) -> None:
        """Refuse a suite without runs, and names that mean two things."""
        named = {
            "data": [data.name for data in self.data],
            "variants": [variant.title for variant in self.variants],
            "seeds": self.seeds,
            "protocol": self.protocol,
        }
        for what, names in named.items():
            if not names or len(set(names)) < len(names):
                raise SettingsError(
                    f"The suite '{self.name}' has the {what} {list(names)}; give one or more, each "
                    "once."
                )

    @property
    def runs(self) -> tuple[Run, ...]:
        """Seed by seed, so that an interrupted suite has compared every variant."""
        return tuple(
            Run(data, variant, seed)
            for data in self.data
            for seed in self.seeds
            for variant in self.variants
        )

    def place(self, path: str, *, root: Path | None = None) -> Path:
        """Where a path of the suite lies: below the root, if one is given, or its own folder."""
        return (root or self.folder) / path

    def recipe(
        self, run: Run, *, root: Path | None = None, changes: Sequence[Mapping[str, Any]] = ()
    ) -> Recipe:
        """The recipe of a run: preset, the suite's settings, the variant's, the user's, the seed.

        Args:
            run: One of `runs`.
            root: Where the suite's relative paths start.
            changes: The user's settings, nested like the recipe.

        Raises:
            SettingsError: No such preset or setting, or a value that is not allowed.
        """
        backbone: dict[str, str] = {}
        if run.variant.backbone is not None:
            backbone["name"] = run.variant.backbone
        if run.variant.weights is not None:
            backbone["weights"] = str(self.place(run.variant.weights, root=root))
        try:
            recipe = preset(run.variant.preset)
            for tree in ({"backbone": backbone}, self.set, run.variant.set):
                recipe = recipe_from(recipe, tree)
        except SettingsError as error:
            raise SettingsError(
                f"The suite '{self.name}', variant '{run.variant.title}': {error}"
            ) from error
        for tree in (*changes, {"training": {"seed": run.seed}}):
            recipe = recipe_from(recipe, tree)
        return recipe


def shipped_suites() -> tuple[str, ...]:
    """Names of the suites that come with normalis."""
    shipped = files("normalis.suites") / "shipped"
    return tuple(sorted(Path(f.name).stem for f in shipped.iterdir() if f.name.endswith(".toml")))


def read_suite(name: str) -> Suite:
    """A suite by the name of a shipped one, or by the path of a TOML file.

    The paths in a shipped suite start in the current folder, those in a file beside that file.

    Raises:
        SettingsError: There is no such suite, or the file is not right.
    """
    path = Path(name)
    if path.suffix == ".toml":
        return _parsed(read_recipe(path), name=path.stem, file=path, folder=path.parent)
    require_known("suite", [name], allowed=shipped_suites())
    file = files("normalis.suites") / "shipped" / f"{name}.toml"
    tree = tomllib.loads(file.read_text(encoding="utf-8"))
    return _parsed(tree, name=name, file=Path(f"{name}.toml"), folder=Path())


def _parsed(tree: dict[str, Any], *, name: str, file: Path, folder: Path) -> Suite:
    """A suite from the tables of its file."""
    try:
        _require_keys(tree, Suite, "")
        for key, kind in (("data", SuiteData), ("variants", Variant)):
            for number, table in enumerate(_tables(tree, key)):
                _require_keys(table, kind, f"{key}[{number}].")
                if isinstance(choice := table.get("one_class"), dict):
                    _require_keys(choice, OneClass, f"{key}[{number}].one_class.")
        return TypeAdapter(Suite).validate_python({**tree, "name": name, "folder": folder})
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{file}: {where}: {first['msg']}.") from error


def _require_keys(table: Mapping[str, Any], kind: type, prefix: str) -> None:
    """Refuse a key that is no field."""
    allowed = [prefix + f.name for f in fields(kind) if f.name != "folder"]
    if kind is Suite:
        allowed.remove("name")
    require_known("key", [prefix + key for key in table], allowed=allowed)


def _tables(tree: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The tables of an array; whatever else stands there is left to pydantic's judgement."""
    found = tree.get(key)
    return [table for table in found if isinstance(table, dict)] if isinstance(found, list) else []
