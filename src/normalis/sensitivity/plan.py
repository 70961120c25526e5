"""Which defects are planted, and on how many pictures."""

from dataclasses import dataclass

import numpy as np

from normalis.errors import SettingsError
from normalis.images.planting import KINDS, WHOLE_KINDS, Defect

__all__ = ["Plan"]

_SMALLEST, _LARGEST, _STEPS = 0.01, 0.25, 7  # sizes tried, as shares of the shorter side


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is tried. Every kind is planted at every size, and at every contrast that it has.

    Attributes:
        kinds: Of `images.planting.KINDS`.
        contrasts: Rising, each in (0, 1]. `WHOLE_KINDS` are planted at contrast 1 alone.
        far: False-alarm rate of the decisions, in (0, 1); None for the model's own.
        pictures: At most so many held-out pictures of each product, at least 1.
        places: Places tried on each picture, at least 1.
        seed: Of all that is left to chance.
    """

    kinds: tuple[str, ...] = KINDS
    contrasts: tuple[float, ...] = (0.25, 0.5, 1.0)
    far: float | None = None
    pictures: int = 12
    places: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, count in (("pictures", self.pictures), ("places", self.places)):
            if count < 1:
                raise SettingsError(f"{name} is {count}; at least 1 is needed.")
        if not self.kinds or not self.contrasts:
            raise SettingsError(f"Give at least one kind of defect ({', '.join(KINDS)}).")
        if list(self.contrasts) != sorted(set(self.contrasts)) or self.contrasts[0] <= 0:
            raise SettingsError(f"contrasts are {self.contrasts}; they must rise within (0, 1].")
        if self.far is not None and not 0.0 < self.far < 1.0:
            raise SettingsError(f"far is {self.far}; a rate between 0 and 1 (excluded) is needed.")
        for kind, contrast in self.curves:
            Defect(kind, 1.0, contrast)  # refuses what cannot be planted

    @property
    def curves(self) -> tuple[tuple[str, float], ...]:
        """Kind and contrast of every curve, each once."""
        return tuple(
            (kind, contrast)
            for kind in dict.fromkeys(self.kinds)
            for contrast in ((1.0,) if kind in WHOLE_KINDS else self.contrasts)
        )

    def sizes(self, side: int) -> tuple[float, ...]:
        """The sizes tried on pictures of this shorter side, pixels, rising; none below 1."""
        wished = np.geomspace(_SMALLEST, _LARGEST, _STEPS) * side
        return tuple(sorted({round(max(1.0, float(size)), 1) for size in wished}))
