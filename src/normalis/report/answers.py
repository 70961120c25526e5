"""Answers written as they come: JSON lines, CSV, heat maps and raw maps."""

import csv
import hashlib
import json
import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, TextIO, final

from PIL import Image

from normalis.errors import ResultError
from normalis.folders import held
from normalis.images.write import is_temporary, write_raw_map
from normalis.report.overlay import overlay, write_image
from normalis.results import MapRange, Result, Skipped

__all__ = ["FOLDERS", "Answer", "AnswerWriter"]

_OVERLAYS, _MAPS, _RESTORED = "overlays", "maps", "restored"
FOLDERS = (_OVERLAYS, _MAPS, _RESTORED)
"""What the folders of heat maps, raw maps and restored pictures are called."""

_LINES, _TABLE = "answers.jsonl", "answers.csv"
_PARTIAL = ".partial"
_LONGEST_NAME = 200  # bytes; file systems end at 255, and temporary names are longer


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One row of the files; everything spatial is in original pixels, None is an empty cell.

    Attributes:
        path: The picture's file, as it was given.
        score: Higher is more anomalous.
        p_value: Chance that a normal picture scores as high.
        decision: "defect" or "good", or "skipped" where the picture could not be read.
        far_promised: The false-alarm rate that holds for this decision.
        threshold: The score above which a picture is called a defect.
        concept: Index of the concept that the picture shows.
        concept_name: Its category, where the model learned categories.
        concept_probability: In [0, 1], how sure the concept is, where the method says so.
        group: The held-out pictures that it was compared with.
        peak_row: Row of the map's highest point.
        peak_col: Its column.
        peak_value: Its value.
        box_x0: First column of the marked place; None where nothing is marked.
        box_y0: Its first row.
        box_x1: The column after its last.
        box_y1: The row after its last.
        overlay: File of the heat map, below the folder of the answers.
        raw_map: File of the raw map, below the folder of the answers.
        restored: File of the restored picture, below the folder of the answers.
        reason: Why the picture was skipped.
    """

    path: str
    score: float | None = None
    p_value: float | None = None
    decision: Literal["defect", "good", "skipped"]
    far_promised: float | None = None
    threshold: float | None = None
    concept: int | None = None
    concept_name: str | None = None
    concept_probability: float | None = None
    group: str | None = None
    peak_row: int | None = None
    peak_col: int | None = None
    peak_value: float | None = None
    box_x0: int | None = None
    box_y0: int | None = None
    box_x1: int | None = None
    box_y1: int | None = None
    overlay: str | None = None
    raw_map: str | None = None
    restored: str | None = None
    reason: str | None = None


@final
class AnswerWriter:
    """Writes `answers.jsonl`, `answers.csv`, `overlays/`, `maps/`, `restored/` into one folder.

    The two tables grow under names that end in `.partial` and get their own at the end of the
    `with` block: a run that is killed leaves nothing that looks finished, and one that fails
    leaves neither. A new run begins by removing the tables of the one before, and the half-written
    files of one that was killed; while it goes on no other may write into its folder.

    Args:
        out: The folder; made where it is missing.
        root: A folder above all pictures; files are named by the pictures' paths below it.
        map_range: What the maps' values mean.
        overlays: Whether to write heat maps, and restored pictures where there are any.
        raw: Write raw maps too: "npy" holds the float32 values; "tiff" has 16 bits, linear from as
            far below the usual value as the high value lies above it to seven times as far above,
            the same range for every picture of a model.

    Raises:
        ResultError: Another process writes its answers there.
        OSError: A file cannot be written.
    """

    def __init__(
        self,
        out: Path,
        *,
        root: Path,
        map_range: MapRange,
        overlays: bool = True,
        raw: Literal["npy", "tiff"] | None = None,
    ) -> None:
        self._out = out
        self._root = root.absolute()
        self._map_range = map_range
        self._overlays = overlays
        self._raw = raw
        self._hold, self._open = ExitStack(), ExitStack()

    def __enter__(self) -> "AnswerWriter":
        self._out.mkdir(parents=True, exist_ok=True)
        if self._hold.enter_context(held(self._out)) is False:
            raise ResultError(
                f"{self._out}: another run writes its answers here; wait until it has ended, or "
                "choose another folder."
            )
        self._sweep()
        for name in (_LINES, _TABLE):
            (self._out / name).unlink(missing_ok=True)
        self._lines = self._begin(_LINES)
        table = self._begin(_TABLE)
        self._table = csv.DictWriter(table, [field.name for field in fields(Answer)])
        self._table.writeheader()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._hold:
            self._open.close()
            for name in (_LINES, _TABLE):
                partial = self._out / (name + _PARTIAL)
                if kind is None:
                    partial.replace(self._out / name)
                else:
                    partial.unlink(missing_ok=True)

    def draw(self, result: Result | Skipped) -> Answer:
        """Write one picture's heat map and raw map; gives its row. Threads may draw at once."""
        if isinstance(result, Skipped):
            return Answer(path=str(result.path), decision="skipped", reason=result.reason)
        return replace(
            _answer(result),
            overlay=self._write_overlay(result),
            raw_map=self._write_raw(result),
            restored=self._write_restored(result),
        )

    def add(self, answer: Answer) -> None:
        """Write the next row."""
        row = asdict(answer)
        self._table.writerow(row)
        self._lines.write(json.dumps(row, allow_nan=False) + "\n")

    def _sweep(self) -> None:
        """Remove the half-written files of a run that was killed, as its tables tell."""
        if any((self._out / (name + _PARTIAL)).exists() for name in (_LINES, _TABLE)):
            for folder in FOLDERS:
                for path in filter(is_temporary, (self._out / folder).rglob(".*.tmp")):
                    path.unlink(missing_ok=True)

    def _begin(self, name: str) -> TextIO:
        """Open a growing table, line by line; names that are not text keep their bytes."""
        path = self._out / (name + _PARTIAL)
        file = path.open("w", encoding="utf-8", errors="surrogateescape", newline="", buffering=1)
        return self._open.enter_context(file)

    def _write_overlay(self, result: Result) -> str | None:
        if not self._overlays:
            return None
        name = self._file_name(_OVERLAYS, result.path, ".png")
        write_image(overlay(result, self._map_range), self._out / name)
        return name

    def _write_restored(self, result: Result) -> str | None:
        if not self._overlays or result.restored is None:
            return None
        name = self._file_name(_RESTORED, result.path, ".png")
        write_image(Image.fromarray(result.restored), self._out / name)
        return name

    def _write_raw(self, result: Result) -> str | None:
        if self._raw is None:
            return None
        name = self._file_name(_MAPS, result.path, f".{self._raw}")
        low, span = self._map_range.low, self._map_range.high - self._map_range.low
        (self._out / name).parent.mkdir(parents=True, exist_ok=True)
        write_raw_map(result.map, self._out / name, low=low - span, high=low + 7 * span)
        return name

    def _file_name(self, folder: str, picture: Path, suffix: str) -> str:
        """The picture's own path below the root, ending kept, so that no two pictures meet."""
        below = Path(os.path.normpath(picture.absolute())).relative_to(os.path.normpath(self._root))
        name = below.name
        if len(os.fsencode(name)) > _LONGEST_NAME:
            digest = hashlib.sha256(os.fsencode(name)).hexdigest()
            name = f"{name[:40]}-{digest[:32]}"
        return (Path(folder) / below.with_name(name + suffix)).as_posix()


def _answer(result: Result) -> Answer:
    """The row of a scored picture, without the names of its files."""
    box = result.box
    return Answer(
        path=str(result.path),
        score=result.score,
        p_value=result.decision.p_value,
        decision="defect" if result.decision.is_anomaly else "good",
        far_promised=result.decision.far_promised,
        threshold=result.decision.threshold,
        concept=result.concept,
        concept_name=result.concept_name,
        concept_probability=result.concept_probability,
        group=result.decision.group,
        peak_row=result.peak.row,
        peak_col=result.peak.col,
        peak_value=result.peak.value,
        box_x0=box and box.x0,
        box_y0=box and box.y0,
        box_x1=box and box.x1,
        box_y1=box and box.y1,
    )
