"""A finished evaluation as one object, and as a folder: what reports and benchmarks are made from.

The folder holds `result.json` and, where pictures were drawn, `pictures/`. Nothing in it points
outside of it.
"""

import math
from dataclasses import dataclass
from typing import Any

from normalis.evaluation.figures import Evaluation

__all__ = [
    "SCHEMA",
    "CategoryCurves",
    "Drawn",
    "Judged",
    "ModelCard",
    "Positions",
    "Result",
    "Seen",
    "Stage",
    "Trace",
]

LARGEST = 1e100  # no score comes near it, and its square is still a number

SCHEMA = 1
"""Rises when a reader of the file would have to change."""


@dataclass(frozen=True)
class Trace:
    """A curve thinned for drawing, at most some hundreds of points, both in [0, 1].

    Attributes:
        x: Rising: false-alarm rate, or recall.
        y: As many: recall, precision, or mean recall over regions.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"A curve has {len(self.x)} places and {len(self.y)} values.")


@dataclass(frozen=True)
class CategoryCurves:
    """The curves of one category by the honest score; None where one is not defined.

    Attributes:
        category: Its name; "" for all pictures mixed.
        image_roc: Recall of defect pictures over the false-alarm rate.
        image_pr: Precision over recall.
        pixel_roc: Recall of defect pixels over the false-alarm rate.
        pixel_pr: Precision over recall, of pixels.
        region_recall: Mean recall over defect regions over the false-alarm rate of pixels.
    """

    category: str
    image_roc: Trace | None
    image_pr: Trace | None
    pixel_roc: Trace | None
    pixel_pr: Trace | None
    region_recall: Trace | None


@dataclass(frozen=True)
class Positions:
    """How the values of maps are spread over good and over defect positions, all classes together.

    Attributes:
        edges: Rising, in the map's own unit; evenly spaced in asinh, and the outermost bins hold
            what lies beyond.
        good: Unmarked pixels at the evaluation size between each edge and the next.
        defect: Marked ones.
    """

    edges: tuple[float, ...]
    good: tuple[int, ...]
    defect: tuple[int, ...]

    def __post_init__(self) -> None:
        if not len(self.edges) - 1 == len(self.good) == len(self.defect):
            raise ValueError("Positions need one edge more than they have counts.")


@dataclass(frozen=True)
class Drawn:
    """The thumbnails of a picture.

    Attributes:
        picture: File of the picture, below the result's folder, with forward slashes.
        heat: File of the picture with heat map, and outline of the mask.
        shown: Width and height of all, pixels.
        restored: File of the picture without what is unusual in it; None where the method does not
            say.
    """

    picture: str
    heat: str
    shown: tuple[int, int]
    restored: str | None = None


@dataclass(frozen=True)
class Judged:
    """One test picture: the truth and what the model said.

    Attributes:
        name: In its data set.
        category: Its product; None where the layout does not know it.
        defect: Name of the defect, "good" for a normal picture.
        is_defect: The truth.
        score: The honest image score, higher is more anomalous.
        paper_score: The published image score.
        p_value: Share of held-out good pictures that look at least as unusual.
        is_anomaly: The decision at the model's own false-alarm rate.
        threshold: The score above which it is one.
        far_promised: The false-alarm rate that holds for this decision, in (0, 1].
        concept: What the model took the picture for.
        size: Width and height of the original, pixels.
        has_mask: Whether its defect is marked by a mask.
        picture: File of the thumbnail below the result's folder; None where none was drawn.
        heat: File of the thumbnail with heat map, and outline of the mask; None likewise.
        shown: Width and height of the thumbnails.
        restored: File of the picture without what is unusual in it; None likewise, and where the
            method does not say.
    """

    name: str
    category: str | None
    defect: str
    is_defect: bool
    score: float
    paper_score: float | None
    p_value: float
    is_anomaly: bool
    threshold: float
    far_promised: float
    concept: int
    size: tuple[int, int]
    has_mask: bool
    picture: str | None = None
    heat: str | None = None
    shown: tuple[int, int] | None = None
    restored: str | None = None

    def __post_init__(self) -> None:
        largest = max(abs(self.score), abs(self.paper_score or 0.0), abs(self.threshold))
        if LARGEST < largest < math.inf:
            raise ValueError(f"{self.name} has a score beyond {LARGEST:g}")
        drawn = (self.picture is not None, self.heat is not None, self.shown is not None)
        if drawn[0] != drawn[1] or drawn[0] > drawn[2]:
            raise ValueError(f"{self.name} has not all of picture, heat and shown, or none.")


@dataclass(frozen=True)
class ModelCard:
    """The model that was evaluated.

    Attributes:
        version: Of normalis, when it was fitted.
        preset: The recipe's name.
        backbone: Its name.
        seed: Of the fit.
        size: Rows and columns of the prepared picture.
        bytes: Of all files of the model.
        data: sha256 over the pictures it was fitted on.
        train, validation, calibration: Numbers of pictures that served.
        concept_pictures: Training pictures of each concept; empty where concepts are learned.
        concept_names: The categories that were learned; empty where concepts are found or learned.
        far: The false-alarm rate of its decisions.
        promise: What its calibration can and cannot promise, a sentence.
        recipe: All its settings, nested plain values.
        runtime: "library", or for an exported form its format and precision.
    """

    version: str
    preset: str
    backbone: str
    seed: int
    size: tuple[int, int]
    bytes: int
    data: str
    train: int
    validation: int
    calibration: int
    concept_pictures: tuple[int, ...]
    far: float
    promise: str
    recipe: dict[str, Any]
    concept_names: tuple[str, ...] = ()
    runtime: str = "library"


@dataclass(frozen=True)
class Seen:
    """A test picture that the model has met before.

    Attributes:
        name: In the test set.
        use: What it served for: "train", "validation" or "calibration".
    """

    name: str
    use: str


@dataclass(frozen=True)
class Stage:
    """How long one part of the work took, seconds."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Result:
    """One model on one labelled set.

    Attributes:
        data: Name of the data set (its folder's name, no path).
        model: The model.
        honest: Figures by the score that users get.
        paper: Figures by the published score.
        pictures: Every scored test picture, in the data set's order.
        curves: One entry per category, then one for all mixed.
        skipped: What could not be read, and why.
        seen: Test pictures that the model was fitted or calibrated on: none, unless allowed.
        stages: How long each part took.
        machine: Processor, memory, versions: what the timings depend on.
        positions: How the honest maps' values are spread; None where there are no honest maps.
    """

    data: str
    model: ModelCard
    honest: Evaluation
    paper: Evaluation
    pictures: tuple[Judged, ...]
    curves: tuple[CategoryCurves, ...]
    skipped: tuple[tuple[str, str], ...]
    seen: tuple[Seen, ...]
    stages: tuple[Stage, ...]
    machine: dict[str, str]
    positions: Positions | None = None
