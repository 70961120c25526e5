"""What a user reads: heat maps, tables of answers and figures, the report of an evaluation."""

from typing import TYPE_CHECKING

from normalis.lazy import lazy_names

if TYPE_CHECKING:
    from normalis.report.answers import FOLDERS, Answer, AnswerWriter
    from normalis.report.overlay import LONGEST_SIDE, overlay, picture_image, write_image
    from normalis.report.site import write_report
    from normalis.report.tables import Table, as_markdown, as_text, figure_table

__all__ = [
    "FOLDERS",
    "LONGEST_SIDE",
    "Answer",
    "AnswerWriter",
    "Table",
    "as_markdown",
    "as_text",
    "figure_table",
    "overlay",
    "picture_image",
    "write_image",
    "write_report",
]

__getattr__ = lazy_names(__name__, "answers", "overlay", "tables", "site")
