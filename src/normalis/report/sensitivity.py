"""How small a defect is caught, as a page with curves and planted pictures, and its JSON twin."""

import json
import os
from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, final

from normalis.errors import SettingsError
from normalis.images.planting import WHOLE_KINDS
from normalis.images.write import write_text
from normalis.report.overlay import overlay, picture_image, write_image
from normalis.report.pages import render_page
from normalis.report.svg import INK, SOFT, draw_svg, line_colour
from normalis.sensitivity.card import (
    SCHEMA,
    WANTED,
    Curve,
    Product,
    Sensitivity,
    contrast_words,
    interval,
    pixels,
    sentence,
)
from normalis.sensitivity.measure import Example

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CardWriter", "require_apart"]

_PAGE = "sensitivity.html"
_KIND = "normalis-sensitivity"
_PICTURES = "pictures"
_LONGEST_SIDE = 384
_DASHES = ((0, ()), (0, (5, 2)), (0, (1.5, 1.5)))  # from the highest contrast down


@dataclass(frozen=True)
class _Shown:
    """A planted picture on the page: what it is, its files, and their width and height."""

    caption: str
    picture: str
    heat: str
    size: tuple[int, int]


@dataclass(frozen=True)
class _Panel:
    """One kind of defect on one product: its drawing, and the smallest sizes by contrast."""

    kind: str
    svg: str
    cells: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Section:
    """One product on the page."""

    product: Product
    sentences: tuple[str, ...]
    panels: tuple[_Panel, ...]
    shown: tuple[_Shown, ...]


def require_apart(out: Path, data: Path) -> None:
    """Refuse a folder whose planted pictures would lie among those that they were made from.

    There the next fit, or the next card, would take them for good ones.

    Raises:
        SettingsError: The card's pictures would lie in the data's folder.
    """
    if Path(os.path.realpath(out / _PICTURES)).is_relative_to(os.path.realpath(data)):
        raise SettingsError(
            f"{out}: lies among the pictures of {data}, where the planted ones of the card would "
            "be taken for good; choose another folder."
        )


@final
class CardWriter:
    """Writes a folder that needs nothing else: `sensitivity.html`, `sensitivity.json`, pictures.

    Args:
        out: The folder; made where it is missing, files of the same names are replaced.

    Raises:
        OSError: The folder cannot be made; better to know it before the long work.
    """

    def __init__(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._out = out
        self._shown: dict[str, list[_Shown]] = defaultdict(list)
        self._count = 0

    def draw(self, example: Example) -> None:
        """Write a planted picture, and the same with heat map, frame and the mask's outline.

        Raises:
            OSError: A file cannot be written.
        """
        if not self._count:  # an earlier page must not show the new pictures
            (self._out / _PAGE).unlink(missing_ok=True)
        self._count += 1
        names = [f"{_PICTURES}/{self._count:04}-{what}.webp" for what in ("planted", "heat")]
        picture = picture_image(example.result.picture, longest_side=_LONGEST_SIDE)
        heat = overlay(
            example.result, example.map_range, mask=example.mask, longest_side=_LONGEST_SIDE
        )
        for image, name in zip((picture, heat), names, strict=True):
            write_image(image, self._out / name)
        shown = _Shown(_caption(example), names[0], names[1], picture.size)
        self._shown[example.product].append(shown)

    def write(self, card: Sensitivity) -> Path:
        """Write the page and the JSON, once the examples are drawn.

        Returns:
            The page.

        Raises:
            OSError: A file cannot be written.
        """
        contrasts = sorted({c.contrast for p in card.products for c in p.curves}, reverse=True)
        sections = [
            _section(product, number, contrasts, shown=self._shown[product.name])
            for number, product in enumerate(card.products)
        ]
        words = [(contrast_words(contrast), _dash(i)) for i, contrast in enumerate(contrasts)]
        values = {"card": card, "sections": sections, "contrasts": words}
        write_text(self._out / "sensitivity.json", json.dumps(_tree(card), indent=1) + "\n")
        write_text(self._out / _PAGE, render_page(_PAGE, values))
        return self._out / _PAGE


def _caption(example: Example) -> str:
    """What is planted, and what came of it."""
    defect = example.defect
    words = f"{defect.kind}, {pixels(defect.size)} px"
    if defect.kind not in WHOLE_KINDS:
        words += f", {contrast_words(defect.contrast)} contrast"
    return f"{words}: {'caught' if example.result.decision.is_anomaly else 'missed'}"


def _section(
    product: Product, number: int, contrasts: list[float], *, shown: list[_Shown]
) -> _Section:
    kinds = dict.fromkeys(curve.kind for curve in product.curves)
    return _Section(
        product=product,
        sentences=tuple(sentence(product, curve) for curve in product.strongest),
        panels=tuple(
            _panel(
                [curve for curve in product.curves if curve.kind == kind],
                contrasts,
                name=f"p{number}k{index}",
            )
            for index, kind in enumerate(kinds)
        ),
        shown=tuple(shown),
    )


def _panel(curves: list[Curve], contrasts: list[float], *, name: str) -> _Panel:
    by_contrast = {curve.contrast: curve for curve in curves}
    kind = curves[0].kind
    return _Panel(
        kind=kind,
        svg=draw_svg(
            partial(_draw, curves=by_contrast, contrasts=contrasts),
            name=name,
            title=f"Share of {kind} defects caught, over their size",
            size=(4.2, 2.4),
        ),
        cells=tuple(_cell(by_contrast.get(contrast)) for contrast in contrasts),
    )


def _cell(curve: Curve | None) -> tuple[str, str]:
    """The smallest size caught, and its interval."""
    if curve is None:
        return "–", ""
    if curve.smallest.size is None:
        return "not caught", f"up to {pixels(curve.points[-1].size)} px"
    return f"{pixels(curve.smallest.size)} px", interval(curve)


def _draw(axes: "Axes", *, curves: dict[float, Curve], contrasts: list[float]) -> None:
    """The share caught over the size, a line for each contrast; bounds for the highest."""
    axes.axhline(100 * WANTED, color=SOFT, linewidth=0.6, linestyle=_DASHES[1])
    for index, contrast in enumerate(contrasts):
        if contrast in curves:
            points = curves[contrast].points
            axes.plot(
                [point.size for point in points],
                [100 * point.share for point in points],
                color=line_colour(index),
                linestyle=_DASHES[min(index, 2)],
                linewidth=1.4,
                marker="o",
                markersize=2.5,
            )
    points = curves[max(curves)].points
    sizes = [point.size for point in points]
    low, high = ([100 * bound for bound in bounds] for bounds in _bounds(curves[max(curves)]))
    axes.fill_between(sizes, low, high, color=line_colour(0), alpha=0.12, linewidth=0)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [pixels(size) for size in sizes], minor=False)
    axes.minorticks_off()
    axes.set_ylim(-3, 103)
    axes.set_yticks([0, 50, 90, 100])
    axes.set_ylabel("caught, %", color=INK)
    axes.set_xlabel("size, px", color=INK)


def _bounds(curve: Curve) -> tuple[list[float], list[float]]:
    return [point.low for point in curve.points], [point.high for point in curve.points]


def _dash(index: int) -> str:
    """The line's pattern for the page's legend, as SVG has it."""
    return " ".join(f"{1.4 * length:g}" for length in _DASHES[min(index, 2)][1])


def _tree(card: Sensitivity) -> dict[str, object]:
    """The card with its sentences."""
    sentences = [sentence(product, curve) for product in card.products for curve in product.curves]
    return {"kind": _KIND, "schema": SCHEMA, **asdict(card), "sentences": sentences}
