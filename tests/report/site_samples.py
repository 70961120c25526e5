"""A made result of three classes with thumbnails, as an evaluation would leave it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from sklearn.metrics import average_precision_score, roc_auc_score

from normalis.calibration import Calibration
from normalis.evaluation.figures import Evaluation, Figures
from normalis.evaluation.protocol import HONEST, PAPER
from normalis.evaluation.result import CategoryCurves, Judged, ModelCard, Result, Stage, Trace

CLASSES = ("bolt", "nut", "washer")
SHOWN = (48, 36)
ODD = "</script><script>throw Error()</script><!--\"'&"


def sample_result(folder: Path, *, each: int = 20, thumbnails: bool = True) -> Result:
    """So many pictures a class, every third a defect, but for washers: they have none."""
    pictures = sample_pictures(each)
    if thumbnails:
        pictures = tuple(drawn(one, folder, number) for number, one in enumerate(pictures))
    curves = [category_curves(name, pictures) for name in (*CLASSES, "")]
    return Result(
        data="fasteners",
        model=sample_model(),
        honest=sample_evaluation(pictures, paper=False),
        paper=sample_evaluation(pictures, paper=True),
        pictures=pictures,
        curves=tuple(curves),
        skipped=(("nut/test/good/099.png", "the file ends early"),),
        seen=(),
        stages=(Stage("reading", 1.5), Stage("scoring", 4.25)),
        machine={"processor": "abacus", "threads": "1"},
    )


def odd_result(folder: Path) -> Result:
    """Every name tries to break out of the page."""
    made = sample_result(folder, each=4)
    pictures = tuple(
        replace(one, name=f"{ODD}{one.name}", category=ODD, defect=ODD) for one in made.pictures
    )
    return replace(
        made,
        data=ODD,
        pictures=pictures,
        model=replace(made.model, preset=ODD, promise=ODD, recipe={ODD: ODD}),
        skipped=((ODD, ODD),),
        stages=(Stage(ODD, 1.0),),
        machine={ODD: ODD},
    )


def sample_pictures(each: int, *, seed: int = 0) -> tuple[Judged, ...]:
    generator = np.random.default_rng(seed)
    calibration = Calibration(0.05, tuple(sorted(generator.normal(size=40).tolist())))
    found: list[Judged] = []
    for number, name in enumerate(CLASSES):
        for index in range(each):
            is_defect = index % 3 == 0 and name != "washer"
            score = float(generator.normal(3.0 if is_defect else 0.0))
            decision = calibration.decide(score)
            defect = "scratch" if is_defect else "good"
            found.append(
                Judged(
                    name=f"{name}/test/{defect}/{index:03}.png",
                    category=name,
                    defect=defect,
                    is_defect=is_defect,
                    score=score,
                    paper_score=1 / (1 + float(np.exp(-score))),
                    p_value=decision.p_value,
                    is_anomaly=decision.is_anomaly,
                    threshold=decision.threshold,
                    far_promised=decision.far_promised,
                    concept=number if index % 10 else 3,
                    size=(480, 360),
                    has_mask=is_defect and index % 2 == 0,
                )
            )
    return tuple(found)


def drawn(picture: Judged, folder: Path, number: int) -> Judged:
    """With thumbnails in the folder, every second one restored, too."""
    kinds = ("picture", "heat", "restored") if number % 2 else ("picture", "heat")
    names = [f"pictures/{number:05}-{kind}.webp" for kind in kinds]
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", SHOWN, (70 + number % 60, 80, 90))
    pen = ImageDraw.Draw(image)
    pen.rectangle((12, 8, 36, 28), fill="silver")
    image.save(folder / names[0], quality=70)
    if picture.is_defect:
        pen.rectangle((20, 12, 26, 18), outline="red")
    for name in names[1:]:
        image.save(folder / name, quality=70)
    restored = names[2] if number % 2 else None
    return replace(picture, picture=names[0], heat=names[1], shown=SHOWN, restored=restored)


def sample_evaluation(pictures: tuple[Judged, ...], *, paper: bool) -> Evaluation:
    names = sorted({str(one.category) for one in pictures})
    rows = [
        (name, figures(tuple(one for one in pictures if one.category == name))) for name in names
    ]
    known = [row.image_auroc for _, row in rows if row.image_auroc is not None]
    mixed = figures(pictures)
    return Evaluation(
        rows=tuple(rows),
        mean=replace(mixed, image_auroc=sum(known) / len(known) if known else None),
        mixed=mixed,
        protocol=f"{(PAPER if paper else HONEST).sentence}; the made figures of a sample",
    )


def figures(pictures: tuple[Judged, ...]) -> Figures:
    """The AUROC and AP are true, the others made up; none is defined without defects."""
    truth, scores = [one.is_defect for one in pictures], [one.score for one in pictures]
    if len(set(truth)) < 2:
        return Figures(len(truth), sum(truth), *[None] * 6)
    return Figures(
        images=len(truth),
        defects=sum(truth),
        image_auroc=float(roc_auc_score(truth, scores)),
        image_ap=float(average_precision_score(truth, scores)),
        image_f1_max=0.875,
        pixel_auroc=0.968,
        pixel_ap=0.512,
        aupro=0.894,
        pixel_f1_max=0.53,
        aupro_strict=0.61,
        pixel_iou_max=0.37,
    )


def category_curves(category: str, pictures: tuple[Judged, ...]) -> CategoryCurves:
    chosen = [one for one in pictures if category in ("", one.category)]
    ranked = sorted(chosen, key=lambda one: -one.score)
    truth = np.array([one.is_defect for one in ranked])
    if truth.all() or not truth.any():
        return CategoryCurves(category, None, None, None, None, None)
    recall = np.concatenate([[0.0], np.cumsum(truth) / truth.sum()])
    alarms = np.concatenate([[0.0], np.cumsum(~truth) / (~truth).sum()])
    precision = np.concatenate([[1.0], np.cumsum(truth) / np.arange(1, len(truth) + 1)])
    roc, pr = trace(alarms, recall), trace(recall, precision)
    return CategoryCurves(category, roc, pr, roc, pr, trace(alarms, 0.9 * recall))


def trace(x: np.ndarray, y: np.ndarray) -> Trace:
    return Trace(tuple(x.tolist()), tuple(y.tolist()))


def sample_model() -> ModelCard:
    return ModelCard(
        version="0.1.0",
        preset="vqflow",
        backbone="efficientnet_lite0",
        seed=0,
        size=(256, 256),
        bytes=21_400_000,
        data="5" * 64,
        train=120,
        validation=15,
        calibration=40,
        concept_pictures=(50, 40, 30, 0, 0),
        far=0.05,
        promise="with 40 held-out pictures the lowest false-alarm rate that can be promised is "
        "2.4 %; decisions are made at 5 %",
        recipe={"training": {"epochs": 12, "rate": 1e-4}, "vqflow": {"concepts": 5}},
    )
