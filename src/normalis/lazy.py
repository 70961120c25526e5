"""Packages whose names are imported when they are first used, so that torch comes with use only."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["lazy_names"]


def lazy_names(package: str, *modules: str) -> Callable[[str], Any]:
    """The `__getattr__` of a package: the name from the first of its modules that declares it.

    Args:
        package: Its `__name__`.
        modules: Names of modules within it, the lightest first.
    """

    def find(name: str) -> Any:  # noqa: ANN401
        for module in modules if not name.startswith("_") else ():
            home = import_module(f"{package}.{module}")
            if name in home.__all__:
                return getattr(home, name)
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    return find
