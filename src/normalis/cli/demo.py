"""`normalis demo`: everything once, on the pictures that come with the source."""

from pathlib import Path
from typing import Annotated

import typer

from normalis.cli.text import tell
from normalis.errors import DatasetError

__all__ = ["demo"]

_EXAMPLES = Path("examples/pictures")
_MODEL = "demo-model"  # replaced by every demo, so never the name of a user's own


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the model and the report.")] = Path(
        "demo-out"
    ),
    data: Annotated[
        Path | None, typer.Option(help="Other pictures, with a labelled test part.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE...", help="Any settings of the fit."),
    ] = None,
) -> None:
    """Fit, evaluate and report on the pictures in examples/; the result is a page to open."""
    from normalis.api.fit import fit
    from normalis.api.options import FitOptions
    from normalis.cli.lines import fit_lines
    from normalis.cli.observer import observing
    from normalis.cli.recipe import chosen_recipe
    from normalis.cli.testset import judge
    from normalis.folders import folder_made
    from normalis.report.site import require_site

    pictures = data or _EXAMPLES
    if data is None and not _EXAMPLES.is_dir():
        raise DatasetError(
            f"{_EXAMPLES}: not found here; run the demo in the folder of normalis's source, or "
            "give pictures of your own with --data."
        )
    recipe = chosen_recipe(None, {}, assignments=assignments or ())
    require_site(out)
    with folder_made(out), observing() as observer:
        options = FitOptions(overwrite=True)
        summary = fit(pictures, out / _MODEL, recipe=recipe, options=options, observer=observer)
        lines = judge(summary.path, pictures, report=out, observer=observer)
    tell(*fit_lines(summary), "", *lines, f"open {out / 'index.html'} in a browser")
