"""How unusual a score is among those of held-out normal pictures (split-conformal p-values).

A new normal picture is as likely to take any rank among n held-out ones as any other, so

    p = (1 + #{held-out ≥ score}) / (n + 1)

falls to or below a rate r with chance at most r, whatever the scores' distribution (Vovk,
Gammerman and Shafer, *Algorithmic Learning in a Random World*, 2005). Pictures of one part, patient
or lot are no independent witnesses. With held-out pictures in K such groups, each of which weighs
as one,

    p = (1 + Σ_k share of group k's pictures that score ≥ score) / (K + 1)

keeps that promise for a picture of a new group (Lee, Barber and Willett, *Distribution-free
inference with hierarchical data*, 2023). Where every picture is its own group, it is the first.
"""

import math
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Float, Int

__all__ = ["HeldOut", "can_promise"]

_ROUNDING = 1e-9  # far * (K + 1) of a rate such as 0.07 falls short of its integer by a rounding


@final
class HeldOut:
    """Scores of held-out normal pictures, which new ones are compared with.

    Args:
        scores: At least one, rising.
        groups: Which part, patient or lot each shows, as numbers; each its own by default.
    """

    def __init__(
        self, scores: Float[np.ndarray, " n"], groups: Int[np.ndarray, " n"] | None = None
    ) -> None:
        self.scores = scores
        self.groups = np.arange(len(scores)) if groups is None else groups

    @cached_property
    def weights(self) -> Float[np.ndarray, " n"]:
        """What each score counts: one over the number of its group's."""
        _, member, sizes = np.unique(self.groups, return_inverse=True, return_counts=True)
        return 1 / sizes[member]

    @cached_property
    def count(self) -> int:
        """K, the number of groups: of pictures, where each is its own."""
        return len(np.unique(self.groups))

    @property
    def lowest_rate(self) -> float:
        """The lowest false-alarm rate that can be promised: 1 / (K + 1)."""
        return 1 / (self.count + 1)

    def p_value(self, score: float) -> float:
        """The chance that a normal picture scores as high, in (0, 1].

        Raises:
            ValueError: The score is NaN.
        """
        if math.isnan(score):
            raise ValueError("A score is not a number (NaN): it has no p-value.")
        as_high = len(self.scores) - int(np.searchsorted(self.scores, score))
        return float(1 + self._weight_of_highest[as_high]) / (self.count + 1)

    def threshold(self, rate: float) -> float:
        """The score above which (not at which) a p-value is at most what `promised` says."""
        return float(self.scores[len(self.scores) - self._rank(rate)])

    def promised(self, rate: float) -> float:
        """The rate, in (0, 1), that holds where one is wished for: at most that, or the lowest."""
        return float(1 + self._weight_of_highest[self._rank(rate) - 1]) / (self.count + 1)

    @cached_property
    def _weight_of_highest(self) -> Float[np.ndarray, " m"]:
        """What the j highest scores count together, j = 0 ... n."""
        return np.concatenate([[0.0], np.cumsum(self.weights[::-1])])

    def _rank(self, rate: float) -> int:
        """The threshold is the rank-th highest score: the first that the rate has no room for."""
        room = rate * (self.count + 1) - 1 + _ROUNDING
        fitting = int(np.searchsorted(self._weight_of_highest[1:], room, side="right"))
        return min(len(self.scores), fitting + 1)


def can_promise(rate: float, count: int) -> bool:
    """Whether a false-alarm rate is not below the lowest that this many groups can promise."""
    return rate * (count + 1) + _ROUNDING >= 1
