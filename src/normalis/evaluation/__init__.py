"""How well a model does: figures, the rules they keep, and the result that reports read."""

from normalis.evaluation.evaluator import PIXEL_BUDGET, Evaluator
from normalis.evaluation.figures import Evaluation, Figures, ImageResult, percent
from normalis.evaluation.protocol import HONEST, PAPER, EvaluationProtocol
from normalis.evaluation.result import (
    SCHEMA,
    CategoryCurves,
    Judged,
    ModelCard,
    Result,
    Seen,
    Stage,
    Trace,
)

__all__ = [
    "HONEST",
    "PAPER",
    "PIXEL_BUDGET",
    "SCHEMA",
    "CategoryCurves",
    "Evaluation",
    "EvaluationProtocol",
    "Evaluator",
    "Figures",
    "ImageResult",
    "Judged",
    "ModelCard",
    "Result",
    "Seen",
    "Stage",
    "Trace",
    "percent",
]
