"""CSV and Parquet files as rows of text."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from normalis.errors import DatasetError

__all__ = ["Table", "read_table"]


@dataclass(frozen=True)
class Table:
    """A table whose cells are all text.

    Attributes:
        columns: The names of the header, stripped and in lower case.
        rows: For each row its number in the file (CSV: the line, Parquet: from 1) and its cells by
            column, stripped, "" for no value.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def read_table(path: Path) -> Table:
    """Read a ``.parquet`` file, or any other as CSV (UTF-8; comma, semicolon or tab).

    Raises:
        DatasetError: The file cannot be read, is no such table, or a row is longer than the header.
    """
    return _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)


def _read_csv(path: Path) -> Table:
    lines = _csv_lines(path)
    if not lines:
        return Table((), ())
    columns = _names(lines[0][1])
    rows: list[tuple[int, dict[str, str]]] = []
    for number, cells in lines[1:]:
        if len(cells) > len(columns):
            raise DatasetError(
                f"{path}, row {number}: there are {len(cells)} cells but {len(columns)} columns; "
                "put quotes around cells that hold the separator."
            )
        texts = (cell.strip() for cell in cells)
        rows.append((number, dict(zip(columns, texts, strict=False))))
    return Table(columns, tuple(rows))


def _csv_lines(path: Path) -> list[tuple[int, list[str]]]:
    """The lines that are not blank, header first, with their numbers from 1."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        header = text.partition("\n")[0]
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
        return [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except OSError as error:
        raise DatasetError(f"{path}: the file cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: this is not UTF-8 text; save it as CSV UTF-8.") from error
    except csv.Error as error:
        raise DatasetError(f"{path}: this is not a CSV table ({error}).") from error


def _read_parquet(path: Path) -> Table:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise DatasetError(
            f"{path}: reading Parquet needs pyarrow; pip install 'normalis[parquet]', or save the "
            "table as CSV."
        ) from error
    try:
        table = parquet.ParquetFile(path).read()
        columns = _names(table.column_names)
        rows = [[_as_text(cell) for cell in row.values()] for row in table.to_pylist()]
    except Exception as error:  # pyarrow raises its own exceptions, and lets others escape
        raise DatasetError(f"{path}: the file cannot be read as Parquet ({error}).") from error
    cells = (dict(zip(columns, row, strict=True)) for row in rows)
    return Table(columns, tuple(enumerate(cells, start=1)))


def _names(header: list[str]) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in header)


def _as_text(value: object) -> str:
    """A Parquet cell as a CSV would have it: whole numbers without ".0", nothing for no value."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None or str(value) == "nan" else str(value).strip()
