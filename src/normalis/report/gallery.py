"""A page that shows what a model said of many pictures, the worst mistakes first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from PIL import Image

from normalis.datasets.sample import Sample
from normalis.images.write import replacing
from normalis.report.answers import Answer
from normalis.report.overlay import picture_image, write_image
from normalis.report.tables import Table
from normalis.scoring import Result

__all__ = ["GalleryEntry", "make_entry", "write_gallery"]

_THUMBNAILS = "thumbnails"
_THUMBNAIL_SIDE = 320


@dataclass(frozen=True)
class GalleryEntry:
    """One picture of the page.

    Attributes:
        name: What the picture is called.
        answer: What the model said; scored, and with a heat map.
        is_defect: The truth, where it is known.
        truth: The truth in words: "bottle, crack"; empty where nothing is known.
        picture: Link to the picture's thumbnail, below the page's folder.
        heat: Link to the heat map's thumbnail.
        size: Width and height of both thumbnails, so that the page does not jump while it loads.
    """

    name: str
    answer: Answer
    is_defect: bool | None
    truth: str
    picture: str
    heat: str
    size: tuple[int, int]

    @property
    def verdict(self) -> Literal["missed", "false alarm", "found", "passed", "defect", "good"]:
        """Decision and truth together; the decision alone where the truth is not known."""
        called = self.answer.decision == "defect"
        if self.is_defect is None:
            return "defect" if called else "good"
        if self.is_defect:
            return "found" if called else "missed"
        return "false alarm" if called else "passed"

    @property
    def link(self) -> str:
        """Link to the heat map in full size."""
        return quote(self.answer.overlay or "", errors="surrogateescape")


@dataclass(frozen=True)
class _Section:
    """Pictures with the same verdict."""

    anchor: str
    title: str
    entries: tuple[GalleryEntry, ...]


# The order of the page: verdict, heading, and whether the lowest score is the worst.
_SECTIONS = (
    ("missed", "Missed defects, lowest score first", True),
    ("false alarm", "False alarms, highest score first", False),
    ("found", "Defects found, highest score first", False),
    ("defect", "Called defects, highest score first", False),
    ("passed", "Good pictures passed, highest score first", False),
    ("good", "Called good, highest score first", False),
)
_MISTAKES = ("missed", "false alarm")


def make_entry(
    result: Result, answer: Answer, *, out: Path, number: int, sample: Sample | None = None
) -> GalleryEntry:
    """Write a picture's two thumbnails, and describe it for the page.

    Args:
        result: The scored picture.
        answer: Its row, with the heat map's file.
        out: The page's folder, that of the answers.
        number: Of the picture, no other's on this page: it names the thumbnails.
        sample: The picture in its data set, where the truth is known.

    Raises:
        OSError: A thumbnail cannot be written.
    """
    if answer.overlay is None:
        raise ValueError(f"{answer.path}: only pictures with a heat map are shown.")
    shown = picture_image(result.picture)
    with Image.open(out / answer.overlay) as image:
        heat = image.convert("RGB")
    names = [f"{_THUMBNAILS}/{number:05}-{kind}.jpg" for kind in ("picture", "heat")]
    for image, name in zip((shown, heat), names, strict=True):
        image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
        write_image(image, out / name)
    return GalleryEntry(
        name=sample.name if sample else result.path.name,
        answer=answer,
        is_defect=sample.is_defect if sample else None,
        truth=_truth(sample),
        picture=names[0],
        heat=names[1],
        size=shown.size,
    )


def write_gallery(
    out: Path,
    entries: Iterable[GalleryEntry],
    *,
    title: str,
    notes: Sequence[str] = (),
    table: Table | None = None,
) -> Path:
    """Write `index.html` beside the thumbnails and heat maps; the folder needs nothing else.

    Mistakes come first where the truth is known: missed defects, then false alarms; then what was
    found and what was passed, or called so.

    Args:
        out: The folder.
        entries: The pictures, in any order.
        title: The page's heading.
        notes: Sentences under it.
        table: Figures to show.

    Returns:
        The page's file.

    Raises:
        OSError: The page cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("normalis", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = _sections(list(entries))
    text = environment.get_template("gallery.html").render(
        title=title, notes=notes, table=table, sections=sections
    )
    page = out / "index.html"
    with replacing(page) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")
    return page


def _truth(sample: Sample | None) -> str:
    """Category and defect, as far as they are known."""
    parts = (sample.category, sample.defect) if sample else ()
    return ", ".join(part for part in parts if part)


def _sections(entries: list[GalleryEntry]) -> list[_Section]:
    """The pictures by verdict, the worst first; that there are no mistakes is said too."""
    always = _MISTAKES if any(entry.is_defect is not None for entry in entries) else ()
    found: list[_Section] = []
    for verdict, title, lowest_first in _SECTIONS:
        chosen = [entry for entry in entries if entry.verdict == verdict]
        chosen.sort(key=lambda entry: entry.answer.score or 0.0, reverse=not lowest_first)
        if chosen or verdict in always:
            found.append(_Section(verdict.replace(" ", "-"), title, tuple(chosen)))
    return found
