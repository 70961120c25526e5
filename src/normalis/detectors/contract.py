"""What every detector offers: a loss to train on, and a score that is a function of one image."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor, nn

from normalis.detectors.records import Batch, GraphMap, Losses, PaperScores, ParameterGroup, Scores

__all__ = [
    "PLACE",
    "AbstractDetector",
    "LearnsInStages",
    "MethodSettings",
    "PictureShapes",
    "ScoresInParts",
]


PLACE = (1, 1, 1)
"""The shape of the map that tells a detector of slices where in its volume each slice lies."""


@dataclass(frozen=True)
class PictureShapes:
    """What a detector must know of the pictures before it has seen one.

    Attributes:
        size: Rows and columns of the prepared picture.
        maps: `(c, h, w)` of every map of its feature pyramid, the deepest last; and after these, of
            slices of volumes whose detector asks for it, `PLACE`.
    """

    size: tuple[int, int]
    maps: tuple[tuple[int, int, int], ...]

    @property
    def located(self) -> bool:
        """Whether the last map says where in its volume each slice lies."""
        return self.maps[-1] == PLACE

    @property
    def features(self) -> tuple[tuple[int, int, int], ...]:
        """The maps of the pyramid alone."""
        return self.maps[:-1] if self.located else self.maps


class MethodSettings(Protocol):
    """What a fit must know of a method before there is a detector."""

    @property
    def most_concepts(self) -> int:
        """The highest number of concepts that it tells apart; 1 for a method that does not."""
        ...

    @property
    def concept_source(self) -> Literal["found", "learned", "categories"]:
        """Whether they are found once, learned by the method, or the categories of the pictures."""
        ...


@runtime_checkable
class LearnsInStages(Protocol):
    """A detector whose parts are learned one after the other, each as long as the settings say."""

    @property
    def stages(self) -> tuple[str, ...]:
        """What is learned, in order."""
        ...

    def enter(self, stage: str) -> None:
        """From here on learn this part; those before it stay as they are."""
        ...


@runtime_checkable
class ScoresInParts(Protocol):
    """A detector whose map is the mean of those of its flows and memories."""

    def parts(self, maps: list[Tensor]) -> tuple[list[Tensor], object]:
        """Each part's map, standardised, on its own grid; and what the pictures were taken for."""
        ...


class AbstractDetector(nn.Module, ABC):
    """What training, calibration, scoring and saving need of a method.

    Maps are a feature pyramid's, one `b c h w` tensor per level, and of slices of volumes a last
    one, `b 1 1 1`, of their places, where the detector is `located`. A score is a pure function of
    one picture and fitted state: the same alone, in a batch, on one process or four.
    """

    @abstractmethod
    def initialise(
        self,
        batches: Callable[[], Iterator[list[Tensor]]],
        *,
        seed: int,
        label: Int[Tensor, " n"] | None = None,
    ) -> None:
        """Set what starts from data.

        Args:
            batches: Starts a pass over the training pictures' maps.
            seed: Of every random choice.
            label: The class or the found concept of each picture in the order of a pass; None for
                a method that has none or learns them.
        """

    @abstractmethod
    def parameter_groups(self) -> tuple[ParameterGroup, ...]:
        """Everything that is learned, by how it is learned."""

    @abstractmethod
    def loss(self, batch: Batch) -> Losses:
        """The terms of a training step."""

    @abstractmethod
    def update_codebooks(self, losses: Losses, generator: torch.Generator) -> None:
        """Move what moves without a gradient, after the step."""

    @abstractmethod
    def set_scale(self, batches: Iterable[list[Tensor]]) -> None:
        """Standardise the scores by held-out normal pictures."""

    @abstractmethod
    def concepts(self, maps: list[Tensor]) -> Int[Tensor, " b"]:
        """The concept of each picture, as `score` names it."""

    @abstractmethod
    def score(self, maps: list[Tensor]) -> Scores:
        """Map, image score and concept of each picture."""

    def compile(self) -> "AbstractDetector":  # pyright: ignore[reportIncompatibleMethodOverride]
        """The fastest form that gives the same scores, of a fitted detector in evaluation mode.

        It shares tensors with this one, scores and does not train. A method that has no such form
        is its own. (torch's own method of this name, which it takes the place of, is not used.)
        """
        return self

    @property
    def no_graph(self) -> str | None:
        """Why `score_in_graph` cannot be exported, a clause; None where it can."""
        return None

    @property
    def graph_map(self) -> GraphMap | None:
        """What the map of `score_in_graph` is, where it is not the map of `score`."""
        return None

    def score_in_graph(self, maps: list[Tensor]) -> Scores:
        """What an exported model gives: `score`, with another map where no graph could draw it."""
        return self.score(maps)

    @property
    def located(self) -> bool:
        """Whether the last map must say where in its volume each slice lies, $t$ of METHODS §3."""
        return False

    @property
    def across(self) -> int:
        """Neighbouring slices of a volume over which its map takes the minimum and then the mean.

        Odd; 1 leaves every slice's map as it is.
        """
        return 1

    @property
    def scores_as_published(self) -> bool:
        """Whether the published scores are those of `score`, which need not be computed again."""
        return False

    @property
    def scores_sets(self) -> bool:
        """Whether its only score is one relative to a whole test set of known classes."""
        return False

    @abstractmethod
    def paper_scores(self, maps: list[Tensor]) -> PaperScores:
        """The published scores, for comparison."""
