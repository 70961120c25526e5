"""A result as a folder that a browser opens: one page, its pictures and drawings, a JSON twin."""

import json
from importlib import resources
from pathlib import Path, PurePosixPath

from normalis.errors import ResultError
from normalis.evaluation.folder import PICTURES, RESULT, holds_result, write_result
from normalis.evaluation.result import Result
from normalis.images.write import replacing, write_text
from normalis.report.cards import card_data
from normalis.report.pages import render_page
from normalis.report.plots import DASHES
from normalis.report.svg import PALETTE
from normalis.report.views import Plot, View, make_view

__all__ = ["require_site", "write_report"]

_PLOTS = "plots"
_PAGE, _STYLE, _SCRIPT = "index.html", "style.css", "script.js"


def require_site(out: Path) -> None:
    """Refuse before any work a folder in which a report would replace what is none.

    Raises:
        ResultError: No folder, or one that has files of a report's names without being one.
    """
    if (out.exists() or out.is_symlink()) and not out.is_dir():
        raise ResultError(f"{out}: is already there, and is no folder; choose another.")
    for name in () if holds_result(out) else (_PAGE, _STYLE, _SCRIPT, RESULT, PICTURES, _PLOTS):
        if (out / name).exists():
            raise ResultError(
                f"{out / name}: is already there, and not of a normalis report, which alone would "
                "be replaced; choose another folder."
            )


def write_report(result: Result, *, source: Path, out: Path) -> Path:
    """Write a folder that needs nothing else and no network: mail it, open its `index.html`.

    Args:
        result: What to show.
        source: Its folder, with the thumbnails that it names.
        out: The folder to write; made where it is missing, an earlier report is replaced. It may
            be `source` itself.

    Returns:
        The page.

    Raises:
        ResultError: A thumbnail is missing, or its name leads out of the folder; or `require_site`
            refuses `out`.
        OSError: A file cannot be written.
    """
    thumbnails = [
        name
        for one in result.pictures
        for name in (one.picture, one.heat, one.restored)
        if name is not None
    ]
    for name in thumbnails:
        _require_below(name, source)
    is_beside = out.exists() and out.samefile(source)
    if not is_beside:
        require_site(out)
    view = make_view(result)
    # The page goes first and comes last: no interruption leaves one of old words and new pictures.
    (out / _PAGE).unlink(missing_ok=True)
    write_result(result, out)
    if not is_beside:
        _copy(thumbnails, source=source, out=out)
    palette = _template("palette.css")
    for plot in view.plots:
        write_text(out / _PLOTS / f"{plot.name}.svg", _alone(plot, palette))
    write_text(out / _STYLE, palette + _template(_STYLE))
    write_text(out / _SCRIPT, _template(_SCRIPT))
    write_text(out / _PAGE, _page(result, view))
    return out / _PAGE


def _copy(names: list[str], *, source: Path, out: Path) -> None:
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        with replacing(out / name) as temporary:
            temporary.write_bytes((source / name).read_bytes())


def _require_below(name: str, source: Path) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not (source / name).is_file():
        raise ResultError(
            f"{source}: the result names the thumbnail {name!r}, which is not a file in this "
            "folder; evaluate again."
        )


def _page(result: Result, view: View) -> str:
    values = {
        "result": result,
        "view": view,
        "recipe": json.dumps(result.model.recipe, indent=2, ensure_ascii=False),
        "cards": card_data(result.pictures, view.classes),
        "palette": PALETTE,
        "dashes": DASHES,
    }
    return render_page("report.html", values)


def _alone(plot: Plot, palette: str) -> str:
    """The drawing as a file of its own, in the colours for a light ground."""
    opening, mark, rest = plot.svg.partition(">")
    return f"{opening}{mark}\n<style>{palette}</style>{rest}\n"


def _template(name: str) -> str:
    return (resources.files("normalis") / "report" / "templates" / name).read_text("utf-8")
