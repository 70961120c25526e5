"""A labelled test set scored into one folder: answers, heat maps, and a page that shows them."""

from collections.abc import Sequence
from pathlib import Path

from normalis.datasets.sample import Dataset
from normalis.progress import Observer
from normalis.report.answers import AnswerWriter
from normalis.report.gallery import GalleryEntry, make_entry, write_gallery
from normalis.report.tables import Table
from normalis.scoring import Scorer, Skipped

__all__ = ["report_test_set"]


def report_test_set(
    model: Scorer,
    dataset: Dataset,
    *,
    out: Path,
    notes: Sequence[str] = (),
    table: Table | None = None,
    observer: Observer,
) -> Path:
    """Score the labelled test pictures, write their answers and heat maps, and a page of them all.

    Args:
        model: A fitted model.
        dataset: With labelled test pictures; those without a label are passed over.
        out: The folder; made where it is missing.
        notes: Sentences for the head of the page.
        table: Figures for the head of the page.
        observer: Hears of the progress.

    Returns:
        The page's file.

    Raises:
        OSError: A file cannot be written.
    """
    samples = [sample for sample in dataset.test if sample.is_defect is not None]
    entries: list[GalleryEntry] = []
    observer.stage("drawing heat maps", len(samples))
    with AnswerWriter(out, root=dataset.root, map_range=model.map_range) as writer:
        answers = model.score([sample.path for sample in samples])
        for number, (sample, result) in enumerate(zip(samples, answers, strict=True)):
            answer = writer.add(result)
            if not isinstance(result, Skipped):
                entries.append(make_entry(result, answer, out=out, number=number, sample=sample))
            observer.advance()
    return write_gallery(out, entries, title="Test pictures", notes=notes, table=table)
