"""The figures of an evaluation as a table: the honest score beside the published one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size  # columns of a terminal, not characters

from normalis.evaluation.figures import Evaluation, Figures, percent, set_means

__all__ = ["Table", "as_markdown", "as_text", "figure_table", "markdown_text"]

_COLUMNS = (
    *("class", "score", "pictures", "defects"),
    *("image AUROC", "AP", "F1-max", "pixel AUROC", "AP", "AUPRO"),
)
_NAMES = 2  # so many columns are words, on the left; the others are numbers, on the right


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        columns: Headings; the first two columns are words, the others numbers.
        rows: Cells, as many in each row as there are headings.
        notes: Sentences to be printed below.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def figure_table(honest: Evaluation, paper: Evaluation) -> Table:
    """Two lines a class, one a score; then the mean over classes and all pictures mixed.

    Figures are percentages, "n/a" where one is not defined; a note below says why.
    """
    lines: list[tuple[str, ...]] = []
    for (name, ours), (_, theirs) in zip(_named(honest), _named(paper), strict=True):
        lines += [_cells(name, "honest", ours), _cells(name, "paper", theirs)]
    notes = (f"{honest.protocol}.", f"{paper.protocol}.", *_reasons(honest))
    return Table(_COLUMNS, tuple(lines), notes)


def as_text(table: Table) -> str:
    """For a terminal: columns aligned, notes below."""
    heads = [_two_lines(name) for name in table.columns]
    rows = [tuple(" ".join(cell.split()) for cell in row) for row in table.rows]
    lines = [tuple(head[0] for head in heads), tuple(head[1] for head in heads), *rows]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    body = [_aligned(line, widths) for line in lines]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([*body[:2], rule, *body[2:], "", *table.notes])


def as_markdown(table: Table) -> str:
    """For a document."""
    marks = [":--" if i < _NAMES else "--:" for i in range(len(table.columns))]
    lines = [table.columns, marks, *table.rows]
    body = ["| " + " | ".join(map(markdown_text, line)) + " |" for line in lines]
    return "\n".join([*body, "", *map(markdown_text, table.notes)])


def markdown_text(text: str) -> str:
    """Words that mean nothing but themselves in Markdown: no bars, tags, links, code or emphasis.

    Line breaks, which a name may hold, become spaces: a row of a table is one line.
    """
    line = " ".join(text.split())
    return re.sub(r"([\\|<>\[\]`*~]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", line)


def _named(evaluation: Evaluation) -> list[tuple[str, Figures]]:
    return [
        *evaluation.rows,
        *set_means(evaluation),
        ("mean", evaluation.mean),
        ("all mixed", evaluation.mixed),
    ]


def _reasons(evaluation: Evaluation) -> list[str]:
    """Why classes have no figures; the mean leaves them out."""
    lacks = {
        "no defect pictures": [name for name, row in evaluation.rows if row.defects == 0],
        "no good pictures": [name for name, row in evaluation.rows if row.defects == row.images],
        "no masks": [
            name
            for name, row in evaluation.rows
            if row.pixel_auroc is None and row.image_auroc is not None
        ],
    }
    parts = [f"{what} in {', '.join(names)}" for what, names in lacks.items() if names]
    return [f"n/a is not defined, and not in the mean: {'; '.join(parts)}."] if parts else []


def _cells(name: str, score: str, figures: Figures) -> tuple[str, ...]:
    image = (figures.image_auroc, figures.image_ap, figures.image_f1_max)
    pixel = (figures.pixel_auroc, figures.pixel_ap, figures.aupro)
    counts = (str(figures.images), str(figures.defects))
    return (name, score, *counts, *map(percent, (*image, *pixel)))


def _two_lines(name: str) -> tuple[str, str]:
    """A heading of two words over two lines; one word stands on the lower."""
    upper, _, lower = name.rpartition(" ")
    return upper, lower


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    names = map(set_cell_size, cells[:_NAMES], widths)
    numbers = map(str.rjust, cells[_NAMES:], widths[_NAMES:])
    return "  ".join((*names, *numbers)).rstrip()
