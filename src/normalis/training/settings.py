"""How a detector is trained."""

from dataclasses import dataclass
from typing import Literal

from normalis.errors import SettingsError

__all__ = ["TrainingSettings"]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How long, how fast and how exactly a detector is trained.

    Attributes:
        epochs: Passes over the training pictures.
        least_steps: More passes are made until there are this many steps; few pictures need more.
        batch_size: Pictures in a step, over all processes together.
        optimizer: `adamw`, or `adam`, whose weight decay is part of the gradient (paper).
        betas: Of either, how long it remembers the gradient and its square.
        learning_rate: At its highest.
        weight_decay: How strongly weights are drawn to zero.
        warmup: Share of the steps over which the rate rises from a tenth.
        decay: The rate after that: `cosine` to zero, or `constant` (paper).
        clip: Largest norm of the gradient, or the largest value of any of its elements.
        clip_by: `norm` or `value` (LSR, paper).
        precision: `float32`, `bfloat16`, or `auto`: bfloat16 where the processor computes in it.
        validation: Share of the normal pictures held out for early stopping and for the scale of
            the scores; they take no part in the calibration.
        patience: Epochs without a better held-out likelihood after which training stops.
        seed: Of every random choice; one seed, machine and number of threads give the same bytes.
    """

    epochs: int = 3
    least_steps: int = 150
    batch_size: int = 16
    optimizer: Literal["adamw", "adam"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: float = 0.1
    decay: Literal["cosine", "constant"] = "cosine"
    clip: float = 1.0
    clip_by: Literal["norm", "value"] = "norm"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    validation: float = 0.1
    patience: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot work, with the setting's name."""
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise SettingsError(f"training.{name} is {getattr(self, name)}; at least 1.")
        for name in ("learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"training.{name} is {getattr(self, name)}; more than 0.")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise SettingsError(f"training.betas is {list(self.betas)}; both lie in [0, 1).")
        for name in ("least_steps", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise SettingsError(f"training.{name} is {getattr(self, name)}; 0 or more.")
        if not 0 <= self.seed < 2**32:
            raise SettingsError(f"training.seed is {self.seed}; it lies in [0, 2**32).")
        for name in ("warmup", "validation"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"training.{name} is {getattr(self, name)}; it lies in [0, 1).")
