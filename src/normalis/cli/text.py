"""Words and numbers as the commands print them."""

import json
import re
from collections.abc import Mapping, Sequence

import typer

__all__ = ["amount", "as_json", "counted", "duration", "one_line", "skipped_lines", "tell"]

_SHOWN = 10
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # but for tabs and line feeds


def tell(*lines: str, err: bool = False) -> None:
    """Print lines, or say them on the error stream.

    What a file's name may hold and a terminal would obey or cannot show is escaped.

    Args:
        lines: Each without the line break at its end.
        err: On the error stream.
    """
    from normalis.datasets.sample import printable

    for line in lines:
        typer.echo(_CONTROL.sub(_escaped, printable(line)), err=err)


def one_line(text: str) -> str:
    """A name or a sentence about it whose line breaks are escaped."""
    return re.sub(r"[\r\n]", _escaped, text)


def as_json(tree: Mapping[str, object]) -> str:
    """A result as a tree, for other programs; paths become text."""
    return json.dumps(tree, indent=1, default=str)


def counted(count: int, thing: str) -> str:
    """Number and noun: "1 picture", "3 pictures"."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """In the two largest units: "8 s", "2 min 5 s", "1 h 12 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def amount(size: int) -> str:
    """Bytes in the unit that gives the shortest number: "3.4 MB"."""
    value, units = float(size), iter(("bytes", "kB", "MB", "GB"))
    unit = next(units)
    while value >= 999.5 and unit != "GB":
        value, unit = value / 1000, next(units)
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def skipped_lines(skipped: Sequence[tuple[str, str]]) -> list[str]:
    """A line for each of the first pictures that were skipped, and how many more there are."""
    lines = [
        one_line(f"  {reason}" if name in reason else f"  {name}: {reason}")
        for name, reason in skipped[:_SHOWN]
    ]
    rest = len(skipped) - len(lines)
    return [*lines, f"  and {rest} more"] if rest else lines
