"""What training says of itself: one record an epoch."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from normalis.detectors.records import Losses
from normalis.images.write import write_text
from normalis.quantize.nearest import perplexity

__all__ = ["CodebookUse", "EpochRecord", "Tally", "record_from", "write_log"]


@dataclass(frozen=True)
class CodebookUse:
    """How one codebook was used over an epoch.

    Attributes:
        name: Of the codebook.
        perplexity: Codes that, used evenly, would equal its use.
        in_use: Codes that were chosen at least once.
    """

    name: str
    perplexity: float
    in_use: int


@dataclass(frozen=True)
class EpochRecord:
    """One line of the log.

    Attributes:
        epoch: Counted from 1.
        nll: Mean negative log-likelihood of the training pictures.
        terms: Mean of each other term of the loss, by its name.
        validation: The same as `nll` of held-out normal pictures; None without any.
        codebooks: Use of each codebook.
        purity: Share of training pictures whose category is the commonest of their concept; None
            where categories are not known.
        seconds: Duration of the epoch.
        stage: What was learned, of a detector that learns in stages; empty for others.
    """

    epoch: int
    nll: float
    terms: dict[str, float]
    validation: float | None
    codebooks: tuple[CodebookUse, ...]
    purity: float | None
    seconds: float
    stage: str = ""


class Tally:
    """Sums over the steps of an epoch."""

    def __init__(self, categories: tuple[str | None, ...], stage: str = "") -> None:
        self.categories = categories
        self.stage = stage
        self.steps = 0
        self.nll = 0.0
        self.terms: dict[str, float] = {}
        self.usage: dict[str, Tensor] = {}
        self.concepts: dict[int, dict[str, int]] = {}

    def add(self, losses: Losses, rows: list[int]) -> None:
        """Count one step over these rows; with several processes each counts its own share."""
        self.steps += 1
        self.nll += float(losses.nll.detach())
        for term in losses.terms:
            self.terms[term.name] = self.terms.get(term.name, 0.0) + float(term.value.detach())
        for assignment in losses.assignments:
            usage = self.usage.get(assignment.name, torch.zeros_like(assignment.usage))
            self.usage[assignment.name] = usage + assignment.usage
            if assignment.name == "concept":
                self._count(assignment.codes.tolist(), rows)

    def record(self, epoch: int, *, validation: float | None, seconds: float) -> EpochRecord:
        """The epoch's line."""
        return EpochRecord(
            epoch=epoch,
            nll=self.nll / self.steps,
            terms={name: total / self.steps for name, total in self.terms.items()},
            validation=validation,
            codebooks=tuple(
                CodebookUse(name, float(perplexity(usage)), int((usage > 0).sum()))
                for name, usage in self.usage.items()
            ),
            purity=self._purity(),
            seconds=seconds,
            stage=self.stage,
        )

    def _count(self, codes: list[int], rows: list[int]) -> None:
        """Count the category of each picture under its concept."""
        for code, row in zip(codes, rows, strict=True):
            category = self.categories[row]
            if category is not None:
                counts = self.concepts.setdefault(code, {})
                counts[category] = counts.get(category, 0) + 1

    def _purity(self) -> float | None:
        """Share of pictures that their concept's commonest category covers."""
        total = sum(sum(counts.values()) for counts in self.concepts.values())
        if not total:
            return None
        return sum(max(counts.values()) for counts in self.concepts.values()) / total


def record_from(fields: dict[str, Any]) -> EpochRecord:
    """A record from its fields, as `dataclasses.asdict` gives them."""
    codebooks = tuple(CodebookUse(**use) for use in fields["codebooks"])
    values: dict[str, Any] = {**fields, "codebooks": codebooks}
    return EpochRecord(**values)


def write_log(records: tuple[EpochRecord, ...], path: Path) -> None:
    """Write the records as JSON lines.

    Durations are left out: the same fit writes the same bytes.
    """
    trees = [asdict(record) for record in records]
    lines = [json.dumps({k: v for k, v in tree.items() if k != "seconds"}) + "\n" for tree in trees]
    write_text(path, "".join(lines))
