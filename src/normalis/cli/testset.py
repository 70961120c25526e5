"""A labelled test set judged: what `evaluate` and `demo` have in common."""

from pathlib import Path

from normalis.api.evaluate import evaluate
from normalis.cli.text import skipped_lines
from normalis.datasets.layouts import open_dataset
from normalis.progress import Observer
from normalis.report.figures import write_figures
from normalis.report.tables import as_text, figure_table
from normalis.report.testset import report_test_set
from normalis.scoring import Scorer

__all__ = ["judge"]


def judge(
    model: Scorer,
    data: Path,
    *,
    layout: str = "auto",
    json: Path | None = None,
    report: Path | None = None,
    observer: Observer,
) -> list[str]:
    """Evaluate a model, write what is asked for, and give the lines to print.

    Args:
        model: A fitted model.
        data: Folder or manifest with labelled test pictures.
        layout: Of the data.
        json: File for all figures.
        report: Folder for the figures, answers, heat maps and the page of them.
        observer: Hears of the progress.
    """
    seen = evaluate(model, data, layout=layout, observer=observer)
    table = figure_table(seen.honest, seen.paper)
    lines = [as_text(table), *skipped_lines(seen.skipped)]
    for file in (json, report and report / "evaluation.json"):
        if file:
            write_figures(
                file, honest=seen.honest, paper=seen.paper, images=seen.images, skipped=seen.skipped
            )
            lines.append(f"figures: {file}")
    if report:
        page = report_test_set(
            model,
            open_dataset(data, layout=layout),
            out=report,
            notes=(f"False alarms: {model.calibration.promise()}.",),
            table=table,
            observer=observer,
        )
        lines.append(f"report: {page}")
    return lines
