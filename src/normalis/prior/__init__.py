"""How likely codes are, given those before them, and what would be likelier."""

from normalis.prior.contract import AbstractPrior, AbstractReader, code_nll
from normalis.prior.restoration import restore, restore_by_recomputing
from normalis.prior.snail import PixelSNAIL
from normalis.prior.transformer import CausalTransformer

__all__ = [
    "AbstractPrior",
    "AbstractReader",
    "CausalTransformer",
    "PixelSNAIL",
    "code_nll",
    "restore",
    "restore_by_recomputing",
]
