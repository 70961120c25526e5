"""`normalis cache`: the features that are kept on disk."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from normalis.cli.text import amount, tell

__all__ = ["cache"]


def cache(
    action: Annotated[
        Literal["list", "clear"], typer.Argument(help="See what is stored, or remove it.")
    ] = "list",
    folder: Annotated[
        Path | None,
        typer.Option("--cache", help="Its folder; $NORMALIS_CACHE, or the user's, by default."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Clear only this one, as 'list' names it.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Clear without asking.")] = False,
) -> None:
    """See and clear the stored features; they are computed again when they are needed."""
    from normalis.cli.lines import store_lines
    from normalis.features.cache import cache_folder, clear_cache, list_stores

    place = folder or cache_folder()
    if action == "list":
        tell(*store_lines(place, list_stores(place)))
        return
    if not yes:
        what = f"the store {key}" if key else "all stores"
        typer.confirm(f"Remove {what} in {place}?", abort=True)
    tell(f"{amount(clear_cache(place, key=key))} freed")
