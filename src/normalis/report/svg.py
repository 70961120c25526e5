"""A matplotlib drawing as an SVG that takes its colours and its font from the page around it."""

import re
from collections.abc import Callable
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CLASS", "DEFECT", "INK", "NORMAL", "PALETTE", "SOFT", "draw_svg", "line_colour"]

# Stand-ins for colours of the style sheet, which `draw_svg` puts in.
INK = "#0000f1"
SOFT = "#0000f2"
NORMAL = "#0000f3"
DEFECT = "#0000f4"

PALETTE = 8
"""How many colours for lines the style sheet has."""

CLASS = "class-"
"""An artist with the gid "class-3" becomes an element with ``data-class="3"``."""

_VARIABLES = (
    *((INK, "ink"), (SOFT, "soft"), (NORMAL, "normal"), (DEFECT, "defect")),
    *((f"#0000e{index}", f"c{index}") for index in range(PALETTE)),
)

_SETTINGS = (
    *(("svg.fonttype", "none"), ("svg.hashsalt", "normalis")),
    *(("font.family", "DejaVu Sans"), ("font.size", 9.0), ("legend.frameon", False)),
    *(("figure.facecolor", "none"), ("axes.facecolor", "none"), ("axes.edgecolor", SOFT)),
    *(("axes.labelcolor", INK), ("xtick.color", SOFT), ("ytick.color", SOFT), ("text.color", INK)),
    *(("axes.spines.right", False), ("axes.spines.top", False), ("axes.linewidth", 0.6)),
    *(("xtick.major.width", 0.6), ("ytick.major.width", 0.6), ("axes.unicode_minus", False)),
)

# What matplotlib writes, and what becomes of it. Its style rule would reach the whole page.
_SHORTER = (
    (r"<metadata>.*?</metadata>|<!--.*?-->|<defs>\s*<style.*?</style>\s*</defs>", ""),
    (r'<svg .*?viewBox="(\S+ \S+ (\S+) (\S+))".*?>', r'<svg viewBox="\1" width="\2" height="\3">'),
    (r' transform="rotate\(-0 [^"]*\)"', ""),
    (r"'DejaVu Sans'", "system-ui, sans-serif"),
    (r"xlink:href", "href"),
    (rf' id="{CLASS}(\d+)"', r' data-class="\1"'),
    (r"\s*\n\s*", "\n"),
)


def line_colour(index: int) -> str:
    """The stand-in for the colour of the index-th line; they repeat after `PALETTE`."""
    return f"#0000e{index % PALETTE}"


def draw_svg(
    draw: "Callable[[Axes], None]", *, name: str, title: str, size: tuple[float, float]
) -> str:
    """One pair of axes as an SVG element; the same drawing gives the same bytes.

    Args:
        draw: Draws, with the stand-ins as colours.
        name: A word, no other drawing's on the page: ids begin with it.
        title: What is shown, for those who cannot see it.
        size: Width and height in inches of 72 units.

    Returns:
        `<svg ...>`, with `var(--ink)` and its like as colours.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    text = StringIO()
    settings: dict[Any, Any] = dict(_SETTINGS)
    with mpl.rc_context(settings):
        width, height = size
        left, bottom, right, top = 0.55, 0.45, width - 0.1, height - 0.25
        inside = (left / width, bottom / height, (right - left) / width, (top - bottom) / height)
        figure = Figure(figsize=size)
        draw(figure.add_axes(inside))
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})
    return _themed(text.getvalue(), name, title)


def _themed(text: str, name: str, title: str) -> str:
    """Matplotlib's file made small, coloured by variables, named, and safe beside others."""
    for pattern, shorter in _SHORTER:
        text = re.sub(pattern, shorter, text, flags=re.DOTALL)
    text = re.sub(r'="[^"]*"', lambda value: re.sub(r"(\.\d\d)\d+", r"\1", value[0]), text)
    for stand_in, variable in _VARIABLES:
        text = text.replace(stand_in, f"var(--{variable})")
    used = set(re.findall(r'(?:url\(|href=")#(\w+)', text))
    text = re.sub(r' id="(\w+)"', lambda id_: id_[0] if id_[1] in used else "", text)
    text = re.sub(r'(id="|url\(#|href="#)(\w+)', rf"\1{name}-\2", text)
    label = escape("".join(letter if letter.isprintable() else "?" for letter in title))
    attributes = f'xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}"'
    return text[text.index("<svg") :].strip().replace("<svg", f"<svg {attributes}", 1)
