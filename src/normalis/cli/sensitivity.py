"""`normalis sensitivity`: how small a defect a model catches."""

from pathlib import Path
from typing import Annotated

import typer

from normalis.cli.text import skipped_lines, tell

__all__ = ["sensitivity"]


def sensitivity(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Folder that 'normalis fit' wrote.")
    ],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Folder or manifest of good pictures; those learned from are left out.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the page, sensitivity.html.")],
    far: Annotated[
        float | None,
        typer.Option(help="False-alarm rate, a share as 0.01; the model's own by default."),
    ] = None,
    pictures: Annotated[
        int, typer.Option(min=1, help="At most so many pictures of each product.")
    ] = 12,
    places: Annotated[int, typer.Option(min=1, help="Places tried on each picture.")] = 1,
    kinds: Annotated[
        str | None,
        typer.Option(
            help="Some of 'dark spot, bright spot, scratch, cut-paste, colour shift, missing "
            "part'; all by default."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Chooses pictures and places.")] = 0,
    layout: Annotated[
        str, typer.Option(help="Of the data; 'normalis data check' says what is recognised.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
) -> None:
    """Plant defects of graded size, and say from what size on each is caught 9 times in 10."""
    from normalis.api.sensitivity import sensitivity as measured
    from normalis.cli.observer import observing
    from normalis.folders import folder_made
    from normalis.images.planting import KINDS
    from normalis.report.sensitivity import CardWriter, require_apart
    from normalis.sensitivity.card import sentence
    from normalis.sensitivity.plan import Plan

    wished = KINDS if kinds is None else tuple(kind.strip() for kind in kinds.split(","))
    plan = Plan(kinds=wished, far=far, pictures=pictures, places=places, seed=seed)
    require_apart(out, data)
    with folder_made(out), observing() as observer:
        writer = CardWriter(out)
        card = measured(
            model,
            data,
            plan=plan,
            layout=layout,
            draw=writer.draw,
            device=device,
            observer=observer,
        )
        page = writer.write(card)
    tell(
        *(sentence(product, curve) for product in card.products for curve in product.strongest),
        *skipped_lines(card.skipped),
        f"false alarms: {card.promise}",
        f"page: {page}",
    )
