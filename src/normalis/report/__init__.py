"""What a user reads: heat maps, tables of answers and figures, a page of pictures."""

from normalis.report.answers import FOLDERS, Answer, AnswerWriter
from normalis.report.figures import FIGURES_FORMAT, write_figures
from normalis.report.gallery import GalleryEntry, make_entry, write_gallery
from normalis.report.overlay import LONGEST_SIDE, overlay, picture_image, write_image
from normalis.report.tables import Table, as_markdown, as_text, figure_table
from normalis.report.testset import report_test_set

__all__ = [
    "FIGURES_FORMAT",
    "FOLDERS",
    "LONGEST_SIDE",
    "Answer",
    "AnswerWriter",
    "GalleryEntry",
    "Table",
    "as_markdown",
    "as_text",
    "figure_table",
    "make_entry",
    "overlay",
    "picture_image",
    "report_test_set",
    "write_figures",
    "write_gallery",
    "write_image",
]
