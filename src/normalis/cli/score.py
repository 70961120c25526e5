"""`normalis score`: answers for new pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from normalis.cli.text import counted, skipped_lines, tell

__all__ = ["score"]


def score(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="Folder that 'normalis fit' or 'export' wrote."),
    ],
    pictures: Annotated[
        list[Path],
        typer.Argument(
            metavar="PICTURES...",
            help="Files, folders with all below them, or manifests (.csv, .parquet) of pictures.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the answers.")],
    far: Annotated[
        float | None,
        typer.Option(help="False-alarm rate, a share as 0.01; the model's own by default."),
    ] = None,
    raw: Annotated[
        Literal["npy", "tiff"] | None,
        typer.Option(help="Write raw maps too: npy (exact) or tiff (16 bits)."),
    ] = None,
    overlays: Annotated[bool, typer.Option(help="Write heat maps, a PNG for each picture.")] = True,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first picture that cannot be read.")
    ] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processor cores for a batch of pictures.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Threads that read, ask the model and draw, 0 for none; as many as there are "
            "cores by default, up to 4. No answer changes.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
) -> None:
    """Score pictures: answers.csv, answers.jsonl and heat maps."""
    from dataclasses import replace

    from normalis.ahead import ahead, threads_for
    from normalis.cli.models import open_model, require_model
    from normalis.cli.observer import observing
    from normalis.cli.pictures import lies_among, list_pictures
    from normalis.folders import folder_made
    from normalis.report.answers import FOLDERS, AnswerWriter

    require_model(model)
    listed = list_pictures(pictures, leave_out=[out / name for name in FOLDERS])
    drawing = threads_for(workers)
    scorer = open_model(model, threads=threads, workers=drawing, device=device)
    # With a wish that cannot be right this fails before anything of an earlier run is touched.
    scorer.check()
    calibration = scorer.calibration if far is None else replace(scorer.calibration, far=far)
    writer = AnswerWriter(
        out, root=listed.root, map_range=scorer.map_range, overlays=overlays, raw=raw
    )
    results = scorer.score(
        listed.paths, far=far, strict=strict, workers=workers, positions=listed.positions
    )
    answers = ahead(results, writer.draw, threads=drawing, most=2 * drawing)
    decisions: list[str] = []
    skipped: list[tuple[str, str]] = []
    with folder_made(out), observing() as observer, writer:
        for warning in listed.warnings:
            observer.say(warning)
        if (overlays or raw == "tiff") and lies_among(out, pictures):
            observer.say(
                f"{out}: lies among the pictures, and 'normalis fit' would take what is written "
                "there for pictures, too; another --out is better."
            )
        observer.stage("scoring", len(listed.paths))
        for answer in answers:
            writer.add(answer)
            decisions.append(answer.decision)
            if answer.reason is not None:
                skipped.append((answer.path, answer.reason))
            observer.advance()
    tell(*_lines(decisions, skipped, out=out, promise=calibration.promise()))


def _lines(
    decisions: Sequence[str], skipped: Sequence[tuple[str, str]], *, out: Path, promise: str
) -> list[str]:
    """How many pictures got which answer, and where the answers are."""
    scored = len(decisions) - len(skipped)
    counts = f"{counted(decisions.count('defect'), 'defect')}, {decisions.count('good'):,} good"
    return [
        f"scored {counted(scored, 'picture')}: {counts}; skipped {len(skipped):,}",
        *skipped_lines(skipped),
        f"false alarms: {promise}",
        f"answers: {out / 'answers.csv'}",
    ]
