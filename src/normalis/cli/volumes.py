"""`normalis volumes`: medical volumes, by way of their slices."""

from pathlib import Path
from typing import Annotated

import typer

from normalis.cli.text import as_json, tell

__all__ = ["volumes"]

volumes = typer.Typer(help="Medical volumes: NIfTI files and DICOM series.", no_args_is_help=True)

_Volumes = Annotated[
    Path, typer.Argument(metavar="VOLUMES", help="NIfTI file, or folder of volumes.")
]


@volumes.command()
def slices(
    healthy: _Volumes,
    out: Annotated[Path, typer.Option(help="Folder of the slices, for 'normalis fit'.")],
) -> None:
    """Write the axial slices of healthy volumes as pictures to learn from."""
    from normalis.api.volumes import write_slices
    from normalis.cli.observer import observing
    from normalis.volumes.open import list_volumes, read_volume

    paths = list_volumes(healthy)
    count = 0
    with observing() as observer:
        observer.stage("reading volumes", len(paths))
        for number, path in enumerate(paths):
            count += write_slices(read_volume(path), out / f"{number:04}-{_name(path)}")
            observer.advance()
    tell(f"slices: {count} of {len(paths)} volumes in {out}")
    tell(f"next: normalis fit {out} --preset lsr --out model")


@volumes.command()
def score(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Fitted on slices.")],
    new: _Volumes,
    out: Annotated[Path, typer.Option(help="Folder of the answers.")],
    report: Annotated[
        bool, typer.Option("--report", help="Write a page for each volume, and their list.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
) -> None:
    """Score volumes and slices; write maps and restored volumes on the original grids."""
    from normalis.api.load import load
    from normalis.api.volumes import score_volume
    from normalis.cli.observer import observing
    from normalis.folders import folder_made
    from normalis.images.write import write_text
    from normalis.report.volumes import VolumePages
    from normalis.volumes.nifti import write_like
    from normalis.volumes.open import list_volumes, read_volume

    paths, scorer = list_volumes(new), load(model, device=device)
    rows: list[str] = []
    pages = VolumePages(out, scorer.map_range, promise=scorer.calibration.promise())
    with folder_made(out), observing() as observer:
        observer.stage("scoring volumes", len(paths))
        for number, path in enumerate(paths):
            volume = read_volume(path)
            name = f"{number:04}-{_name(path)}"
            answer = score_volume(scorer, volume, draw=pages.draw if report else None)
            if report:
                pages.finish(name, source=str(path), score=answer.score, slices=answer.slices)
            write_like(volume, answer.map, path=out / f"{name}-map.nii.gz")
            if answer.restored is not None:
                write_like(volume, answer.restored, path=out / f"{name}-restored.nii.gz")
            row = {"path": str(path), "name": name, "score": answer.score, "slices": answer.slices}
            rows.append(as_json(row))
            observer.advance()
    write_text(out / "volumes.json", "[\n" + ",\n".join(rows) + "\n]\n")
    tell(f"scored: {len(rows)} volumes; scores, maps and restored volumes in {out}")
    if report:
        tell(f"open {pages.index()} in a browser")


def _name(path: Path) -> str:
    """The file's name without its endings, or the series' folder's."""
    return path.name.removesuffix(".gz").removesuffix(".nii")
