"""The package as the house tests see it: every module, parsed once."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

__all__ = ["ROOT", "Function", "Imported", "Module", "functions", "imports", "modules"]

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file of the package. `part` is what DESIGN's layers name: "images", "api", ..."""

    name: str
    path: Path
    is_package: bool
    tree: ast.Module

    @property
    def part(self) -> str:
        return [*self.name.split("."), ""][1]


@dataclass(frozen=True)
class Imported:
    """One imported module, and the line that asks for it."""

    name: str
    line: int
    at_import: bool  # at the module's top level, not inside a function


@dataclass(frozen=True)
class Function:
    """A function or method with its qualified name."""

    name: str
    node: Definition
    is_method: bool


@lru_cache
def modules() -> tuple[Module, ...]:
    return tuple(_module(path) for path in sorted((SOURCE / "normalis").rglob("*.py")))


def _module(path: Path) -> Module:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    return Module(name, path, is_package, ast.parse(path.read_text(encoding="utf-8")))


def imports(module: Module) -> Iterator[Imported]:
    """Every module it imports, wherever in the file; `from package import module` is resolved."""
    known = {other.name for other in modules()}
    inside = {
        id(child)
        for node in ast.walk(module.tree)
        if isinstance(node, Definition)
        for child in ast.walk(node)
    }
    for node in ast.walk(module.tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            full = [f"{base}.{alias.name}" for alias in node.names]
            names = sorted({name if name in known else base for name in full})
        for name in names:
            yield Imported(name, getattr(node, "lineno", 0), id(node) not in inside)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    anchor = module.name.split(".")
    anchor = anchor[: len(anchor) - node.level + module.is_package]
    return ".".join([*anchor, *([node.module] if node.module else [])])


def functions(tree: ast.AST, prefix: str = "", *, is_method: bool = False) -> Iterator[Function]:
    """Every function, method and inner function, outermost first."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Definition):
            yield Function(f"{prefix}{node.name}", node, is_method)
            yield from functions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.", is_method=True)
        else:
            yield from functions(node, prefix, is_method=is_method)
