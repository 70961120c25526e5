"""`__all__` is the truth: present, sorted, complete, and re-exported by the packages."""

import ast
import importlib

import pytest
from source_tree import Module, modules

EVERY = [pytest.param(module, id=module.name) for module in modules()]
PACKAGES = [pytest.param(module, id=module.name) for module in modules() if module.is_package]
FILES = [pytest.param(module, id=module.name) for module in modules() if not module.is_package]


def declared(module: Module) -> list[str]:
    """The module's `__all__`; a package that re-exports nothing needs none."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    assert module.is_package, f"{module.name} has no __all__"
    return []


def defined(module: Module) -> set[str]:
    """The public names that the file itself binds at its top level."""
    names: set[str] = set()
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}


def in_house_order(name: str) -> tuple[int, str]:
    """Constants, classes, functions (ruff's order), each by the alphabet."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def re_exported(module: Module) -> set[str]:
    """The public names that a package takes from the modules below it."""
    return {
        alias.asname or alias.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{module.name}.")
        for alias in node.names
        if not alias.name.startswith("_")
    }


@pytest.mark.parametrize("module", EVERY)
def test_all_is_sorted_and_without_repetition(module: Module) -> None:
    assert declared(module) == sorted(set(declared(module)), key=in_house_order)


@pytest.mark.parametrize("module", FILES)
def test_all_names_what_the_file_itself_defines(module: Module) -> None:
    assert set(declared(module)) - defined(module) == set()


@pytest.mark.parametrize("module", FILES)
def test_all_names_what_other_files_import(module: Module) -> None:
    wanted = {
        alias.name
        for other in modules()
        for node in ast.walk(other.tree)
        if isinstance(node, ast.ImportFrom) and node.module == module.name
        for alias in node.names
    }
    assert wanted - set(declared(module)) == set()


@pytest.mark.parametrize("module", PACKAGES)
def test_a_package_names_exactly_what_it_re_exports(module: Module) -> None:
    assert {name for name in declared(module) if not name.startswith("__")} == re_exported(module)


@pytest.mark.parametrize("module", EVERY)
def test_every_declared_name_is_there(module: Module) -> None:
    loaded = importlib.import_module(module.name)
    assert [name for name in declared(module) if not hasattr(loaded, name)] == []
