"""The map of an exported model, where it is not the model's own."""

from dataclasses import dataclass

__all__ = ["GraphMap"]


@dataclass(frozen=True)
class GraphMap:
    """A map that an exported model has in the place of the model's own.

    Attributes:
        meaning: What its values say, a clause.
        low: A usual value.
        high: Places above it are marked.
    """

    meaning: str
    low: float
    high: float
