"""A made result with every field filled, and its thumbnails."""

from pathlib import Path

from PIL import Image

from normalis.evaluation import (
    CategoryCurves,
    Evaluation,
    Figures,
    Judged,
    ModelCard,
    Result,
    Seen,
    Stage,
    Trace,
)

__all__ = ["make_judged", "make_result", "write_thumbnails"]

NAMES = ("pictures/00001-picture.webp", "pictures/00001-heat.webp")


def make_judged(*, picture: str | None = NAMES[0], heat: str | None = NAMES[1]) -> Judged:
    return Judged(
        name="nut/test/hole/1.png",
        category="nut",
        defect="hole",
        is_defect=True,
        score=1 / 3,
        paper_score=2 / 3,
        p_value=0.1 + 0.2,
        is_anomaly=True,
        threshold=1 / 7,
        far_promised=1 / 41,
        concept=2,
        size=(640, 480),
        has_mask=True,
        picture=picture,
        heat=heat,
        shown=(384, 288),
    )


def make_result(*pictures: Judged) -> Result:
    figures = Figures(2, 1, 1 / 7, 0.1, None, 5e-324, 1.0, 0.0, pixel_iou_max=1 / 9)
    trace = Trace((0.0, 1 / 3, 1.0), (0.0, 2 / 3, 1.0))
    evaluation = Evaluation((("nut", figures),), figures, figures, "honest protocol: and so on")
    return Result(
        data="things",
        model=ModelCard(
            version="0.1.0",
            preset="vqflow",
            backbone="embedded",
            seed=3,
            size=(320, 320),
            bytes=12_345_678,
            data="d" * 64,
            train=20,
            validation=3,
            calibration=4,
            concept_pictures=(12, 8),
            far=0.01,
            promise="with 4 held-out pictures, none below 20 %",
            recipe={"training": {"seed": 3, "rate": 1e-3, "blocks": [1, 2]}, "name": None},
        ),
        honest=evaluation,
        paper=evaluation,
        pictures=pictures or (make_judged(),),
        curves=(CategoryCurves("", trace, trace, None, trace, None),),
        skipped=(("nut/test/good/2.png", "it is damaged"),),
        seen=(Seen("nut/test/good/3.png", "calibration"),),
        stages=(Stage("scoring", 1.25),),
        machine={"processor": "abacus"},
    )


def write_thumbnails(folder: Path) -> Path:
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(folder / name)
    return folder
