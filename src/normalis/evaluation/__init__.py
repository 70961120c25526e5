"""How well a model does: figures, the rules they keep, and the result that reports read."""

from normalis.evaluation.evaluator import Evaluator
from normalis.evaluation.figures import Evaluation, Figures, ImageResult, percent
from normalis.evaluation.folder import read_result, write_result
from normalis.evaluation.machine import machine
from normalis.evaluation.protocol import HONEST, PAPER, EvaluationProtocol, Needs
from normalis.evaluation.result import (
    SCHEMA,
    CategoryCurves,
    Drawn,
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
    "SCHEMA",
    "CategoryCurves",
    "Drawn",
    "Evaluation",
    "EvaluationProtocol",
    "Evaluator",
    "Figures",
    "ImageResult",
    "Judged",
    "ModelCard",
    "Needs",
    "Result",
    "Seen",
    "Stage",
    "Trace",
    "machine",
    "percent",
    "read_result",
    "write_result",
]
