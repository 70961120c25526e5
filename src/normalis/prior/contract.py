"""The contract of a prior over grids of codes.

The order of a grid is its raster: rows from above, each from the left. The distribution of a code
depends on the codes before it, and on no other.
"""

from abc import ABC, abstractmethod

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["AbstractPrior", "AbstractReader", "code_nll"]


class AbstractReader(ABC):
    """Distributions along rows of codes that change while they are read.

    Whoever changes a code asks for the places behind it again before relying on them.
    """

    @property
    @abstractmethod
    def first(self) -> Float[Tensor, "b n k"]:
        """Logits of every place of the pictures as they were at the start."""

    @abstractmethod
    def span(self, rows: int) -> int:
        """How many places are best asked for at once, when there are so many rows."""

    @abstractmethod
    def ask(
        self, codes: Int[Tensor, "r n"], start: Int[Tensor, " r"], *, width: int
    ) -> Float[Tensor, "r w k"]:
        """Logits of `width` places of each row.

        Args:
            codes: As they are now; before `start` they have been asked for as they are.
            start: The first place wanted, in each row; what lies behind a row's end is void.
            width: How many places.
        """

    @abstractmethod
    def keep(self, rows: Int[Tensor, " m"]) -> None:
        """Forget all but these rows."""


class AbstractPrior(nn.Module, ABC):
    """A distribution over grids of codes, a factor a code.

    Attributes:
        size: Number of codes.
        grid: Rows and columns.
    """

    size: int
    grid: tuple[int, int]

    @abstractmethod
    def forward(
        self, codes: Int[Tensor, "b i j"], position: Float[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b k i j"]:
        """Logits of every place's code, given the codes before it.

        Args:
            codes: Grids of indices.
            position: Where in its volume each slice lies, in [-1/2, 1/2]; None without volumes.
        """

    @abstractmethod
    def reader(
        self,
        codes: Int[Tensor, "b i j"],
        position: Float[Tensor, " b"] | None = None,
        *,
        copies: int,
    ) -> AbstractReader:
        """Reads `copies` rows of each picture, the copies of a picture one after another."""


def code_nll(
    logits: Float[Tensor, "*grid k"], codes: Int[Tensor, "*grid"]
) -> Float[Tensor, "*grid"]:
    """Negative log-likelihood of each code, nats."""
    return -F.log_softmax(logits.float(), -1).gather(-1, codes[..., None])[..., 0]
