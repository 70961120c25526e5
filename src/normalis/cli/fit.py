"""`normalis fit`: from a folder of good pictures to a model."""

import os
from pathlib import Path
from typing import Annotated

import typer

from normalis.cli.text import tell

__all__ = ["fit"]


def fit(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA...", help="Folders or manifests with good pictures."),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the model to be; the one above it must be there.")
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            help="vqflow (the default), hgad or lsr; vqflow-dinov2 or hgad-dinov2; vqflow-paper, "
            "hgad-paper or lsr-paper; or a baseline: flow, vqvae or vae."
        ),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="TOML file of settings, for several runs.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE...",
            help="Any settings, as training.epochs=5 vqflow.hidden=64; 'normalis info' lists those "
            "of a model. May be given again.",
        ),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="'embedded', which needs no download, 'pixels', or a name that timm knows; the "
            "preset's by default."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="File of the backbone's weights, .safetensors or .pth."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="SIDE|HxW",
            help="Pixels to which pictures are brought; the preset's by default, of vqflow 320. "
            "Answers are in original pixels all the same.",
        ),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(
            help="How they are brought to it: squash, pad or crop; the preset's by default, of "
            "vqflow squash."
        ),
    ] = None,
    far: Annotated[
        float | None,
        typer.Option(
            help="False-alarm rate of the decisions: the share of good pictures that may be called "
            "defects; 0.01 by default."
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Passes over the pictures, the preset's by default; more where these are few "
            "(training.least_steps)."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of every random choice; 0 by default.")] = None,
    layout: Annotated[
        str, typer.Option(help="Of the data; 'normalis data check' says what is recognised.")
    ] = "auto",
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of the features; $NORMALIS_CACHE, or the user's, by default."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted fit.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a model that is already there.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first picture that cannot be read.")
    ] = False,
) -> None:
    """Learn from good pictures, of all products together, and save a model."""
    from normalis.api.fit import fit as fit_model
    from normalis.api.options import FitOptions
    from normalis.cli.lines import fit_lines
    from normalis.cli.observer import observing
    from normalis.cli.recipe import chosen_recipe, parse_size

    height, width = parse_size(size) if size else (None, None)
    options = {
        "preset": preset,
        "backbone": {"name": backbone, "weights": str(weights) if weights else None},
        "preparation": {"height": height, "width": width, "fit": shape},
        "training": {"epochs": epochs, "seed": seed},
        "calibration": {"far": far},
    }
    chosen = chosen_recipe(recipe, options, assignments=assignments or ())
    run = FitOptions(
        layout=layout, cache=cache, resume=resume, overwrite=overwrite, strict=strict, device=device
    )
    with observing() as observer:
        summary = fit_model(data, out, recipe=chosen, options=run, observer=observer)
    if os.environ.get("RANK", "0") == "0":  # of several processes, one speaks
        tell(*fit_lines(summary))
