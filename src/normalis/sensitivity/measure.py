"""Plants defects on held-out good pictures, and counts which a model catches."""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool

from normalis.answering import AbstractScorer
from normalis.errors import DatasetError
from normalis.images.decode import Picture, read_picture
from normalis.images.ground import Ground, look_coarsely
from normalis.images.planting import KINDS, Defect, Planted, plant
from normalis.images.regions import Peak
from normalis.progress import Observer
from normalis.results import MapRange, Result, Skipped
from normalis.sensitivity.card import Product, Sensitivity, curve_of
from normalis.sensitivity.plan import Plan

__all__ = ["Example", "HeldOut", "examples", "measure"]

Cell = tuple[int, int]  # curve and size in the table of counts

_UNNAMED = 20  # for so many times the pictures wanted of one product, products are looked for
_NEAR = 0.03  # of the shorter side: as near as this the map's peak is at the planted place


@dataclass(frozen=True)
class HeldOut:
    """A good picture that training did not learn from.

    Attributes:
        path: The file.
        name: In its data set.
        product: What it shows, where the data set says so.
        use: What it served for when the model was fitted.
    """

    path: Path
    name: str
    product: str | None
    use: Literal["never seen", "validation", "calibration"]


@dataclass(frozen=True)
class Example:
    """A planted picture to be shown.

    Attributes:
        product: Name of the product.
        defect: What was planted.
        mask: HW bool, original pixels; where.
        result: The model's answer, with the planted picture.
        map_range: What the map's values mean.
    """

    product: str
    defect: Defect
    mask: Bool[np.ndarray, "h w"]
    result: Result
    map_range: MapRange


@dataclass(frozen=True)
class _Clean:
    """A picture before anything is planted."""

    held_out: HeldOut
    side: int
    is_alarm: bool
    far: float


@dataclass(frozen=True)
class _Group:
    """One product's pictures, those that alarm as they are apart."""

    name: str
    pictures: tuple[_Clean, ...]
    alarms: tuple[_Clean, ...]

    @property
    def side(self) -> int:
        """The median of the shorter sides."""
        return int(np.median([picture.side for picture in self.pictures + self.alarms]))


def measure(
    model: AbstractScorer,
    pictures: Sequence[HeldOut],
    *,
    data: str,
    plan: Plan,
    observer: Observer,
) -> Sensitivity:
    """Plant defects of every size on every product, and count what is caught.

    Args:
        model: A fitted model.
        pictures: The best first: of each product the first that can be read are taken.
        data: Name of the data set.
        plan: What is tried.
        observer: Hears of the progress.

    Raises:
        DatasetError: There is no picture to plant on, or none that can be read.
    """
    groups, skipped = _groups(model, pictures, plan=plan, observer=observer)
    if not groups:
        why = f"the first: {skipped[0][1]}" if skipped else "there are none"
        raise DatasetError(f"{data}: no held-out good picture can be read; {why}")
    plants = sum(len(group.pictures) * len(plan.sizes(group.side)) for group in groups)
    observer.stage("scoring planted defects", plants * plan.places * len(plan.curves))
    wished = model.calibration.far if plan.far is None else plan.far
    return Sensitivity(
        data=data,
        promise=replace(model.calibration, far=wished).promise(),
        places=plan.places,
        seed=plan.seed,
        products=tuple(_product(model, group, plan=plan, observer=observer) for group in groups),
        skipped=skipped,
    )


def examples(
    model: AbstractScorer, pictures: Sequence[HeldOut], *, card: Sensitivity, plan: Plan
) -> Iterator[Example]:
    """Plant each product's strongest defects once more, near the smallest size that is caught.

    Args:
        model: That was measured.
        pictures: As `measure` got them.
        card: What it gave.
        plan: As `measure` got it.
    """
    paths = {picture.name: picture.path for picture in pictures}
    for product in card.products:
        if not product.curves:
            continue
        original = read_picture(paths[product.pictures[0]])
        ground = look_coarsely(original)
        for curve in product.strongest:
            sizes = [point.size for point in curve.points]
            caught = [size for size in sizes if size >= (curve.smallest.size or sizes[-1])]
            defect = Defect(curve.kind, caught[0], curve.contrast)
            planted = _plant(original, defect, ground=ground, seed=(plan.seed, 0, 0))
            (result,) = model.score_pictures([planted.picture], far=plan.far)
            yield Example(product.name, defect, planted.mask, result, model.map_range)


def _groups(
    model: AbstractScorer, pictures: Sequence[HeldOut], *, plan: Plan, observer: Observer
) -> tuple[list[_Group], tuple[tuple[str, str], ...]]:
    """Score the pictures as they are, and sort them by product; where none is named, by concept."""
    candidates = _candidates(pictures, plan)
    observer.stage("scoring good pictures as they are", len(candidates))
    found: dict[str, list[_Clean]] = defaultdict(list)
    skipped: list[tuple[str, str]] = []
    answers = model.score([picture.path for picture in candidates], far=plan.far)
    for picture, answer in zip(candidates, answers, strict=True):
        observer.advance()
        if isinstance(answer, Skipped):
            skipped.append((picture.name, answer.reason))
            continue
        product = picture.product or f"concept {answer.concept}"
        if len(found[product]) < plan.pictures:
            found[product].append(_clean(picture, answer))
    return [_group(name, found[name]) for name in sorted(found)], tuple(skipped)


def _clean(picture: HeldOut, answer: Result) -> _Clean:
    side = min(answer.picture.height, answer.picture.width)
    return _Clean(picture, side, answer.decision.is_anomaly, answer.decision.far_promised)


def _group(name: str, pictures: Sequence[_Clean]) -> _Group:
    return _Group(
        name,
        tuple(picture for picture in pictures if not picture.is_alarm),
        tuple(picture for picture in pictures if picture.is_alarm),
    )


def _candidates(pictures: Sequence[HeldOut], plan: Plan) -> list[HeldOut]:
    """As many of each product as are wanted; of pictures of no named product, many."""
    taken: dict[str | None, list[HeldOut]] = defaultdict(list)
    for picture in pictures:
        most = plan.pictures * (_UNNAMED if picture.product is None else 1)
        if len(taken[picture.product]) < most:
            taken[picture.product].append(picture)
    return [picture for group in taken.values() for picture in group]


def _product(model: AbstractScorer, group: _Group, *, plan: Plan, observer: Observer) -> Product:
    """Everything planted on one product, counted."""
    sizes = plan.sizes(group.side)
    caught = np.zeros((len(plan.curves), len(sizes)), np.int64)
    placed = caught.copy()
    far = max(picture.far for picture in group.pictures + group.alarms)
    for cell, mask, result in _answers(model, group, plan):
        caught[cell] += result.decision.is_anomaly
        placed[cell] += result.decision.is_anomaly and _is_near(result.peak, mask)
        far = max(far, result.decision.far_promised)
        observer.advance()
    trials = len(group.pictures) * plan.places
    curves = (
        curve_of(defect, sizes, caught=caught[row], placed=placed[row], trials=trials)
        for row, defect in enumerate(plan.curves)
    )
    uses = [picture.held_out.use for picture in group.pictures]
    return Product(
        name=group.name,
        pictures=tuple(picture.held_out.name for picture in group.pictures),
        never_seen=uses.count("never seen"),
        validation=uses.count("validation"),
        calibration=uses.count("calibration"),
        side=group.side,
        clean_alarms=len(group.alarms),
        far=far,
        curves=tuple(curves) if trials else (),
    )


def _answers(
    model: AbstractScorer, group: _Group, plan: Plan
) -> Iterator[tuple[Cell, Bool[np.ndarray, "h w"], Result]]:
    """The answers to all planted pictures, each with its cell and mask."""
    waiting: deque[tuple[Cell, Bool[np.ndarray, "h w"]]] = deque()

    def planted() -> Iterator[Picture]:
        for cell, made in _plants(group, plan):
            waiting.append((cell, made.mask))
            yield made.picture

    for result in model.score_pictures(planted(), far=plan.far):
        yield *waiting.popleft(), result


def _plants(group: _Group, plan: Plan) -> Iterator[tuple[Cell, Planted]]:
    """Every defect of the plan on every picture, with its cell in the table of counts."""
    for number, picture in enumerate(group.pictures):
        original = read_picture(picture.held_out.path)
        ground = look_coarsely(original)
        for place in range(plan.places):
            for row, (kind, contrast) in enumerate(plan.curves):
                for column, size in enumerate(plan.sizes(group.side)):
                    defect = Defect(kind, size, contrast)
                    seed = (plan.seed, number, place)
                    yield (row, column), _plant(original, defect, ground=ground, seed=seed)


def _plant(original: Picture, defect: Defect, *, ground: Ground, seed: tuple[int, ...]) -> Planted:
    """A place of a picture is the same for all sizes and contrasts of a kind."""
    generator = np.random.default_rng([*seed, KINDS.index(defect.kind)])
    return plant(original, defect, ground=ground, generator=generator)


def _is_near(peak: Peak, mask: Bool[np.ndarray, "h w"]) -> bool:
    """Whether the map's highest point lies at the planted place, but for its coarseness."""
    reach = max(1, round(_NEAR * min(mask.shape)))
    rows = slice(max(0, peak.row - reach), peak.row + reach + 1)
    return bool(mask[rows, max(0, peak.col - reach) : peak.col + reach + 1].any())
