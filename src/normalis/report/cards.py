"""The gallery's pictures as data that its script reads from the page."""

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from normalis.evaluation.result import Judged
from normalis.report.verdicts import VERDICTS, class_of, verdict

__all__ = ["CARD", "card_data"]

CARD = (
    *("name", "group", "defect", "verdict", "score", "paper", "p", "concept", "size", "mask"),
    *("picture", "heat", "shown", "restored"),
)
"""What the columns of a picture's row are called."""


def card_data(pictures: Sequence[Judged], classes: Mapping[str, int]) -> str:
    """JSON of plain ASCII that cannot end the script element around it.

    Args:
        pictures: The pictures.
        classes: Each class's number.

    Returns:
        An object with `classes`, `verdicts`, `columns` and `rows`, one a picture.
    """
    tree = {
        "classes": list(classes),
        "verdicts": VERDICTS,
        "columns": CARD,
        "rows": [_row(picture, classes) for picture in pictures],
    }
    text = json.dumps(tree, separators=(",", ":"), allow_nan=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


def _row(picture: Judged, classes: Mapping[str, int]) -> list[object]:
    """One picture; numbers are rounded as they are shown, classes and verdicts are numbers."""
    return [
        picture.name,
        classes[class_of(picture)],
        picture.defect,
        VERDICTS.index(verdict(picture)),
        _short(picture.score),
        _short(picture.paper_score),
        _short(picture.p_value),
        picture.concept,
        picture.size,
        picture.has_mask,
        picture.picture and quote(picture.picture),
        picture.heat and quote(picture.heat),
        picture.shown,
        picture.restored and quote(picture.restored),
    ]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")
