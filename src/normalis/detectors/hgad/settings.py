"""The settings of HGAD, each departure from the published form under a name of its own."""

import math
from dataclasses import dataclass
from typing import Literal

from normalis.detectors.levels import check_neighbourhood
from normalis.errors import SettingsError

__all__ = ["HGADSettings"]


@dataclass(frozen=True, kw_only=True)
class HGADSettings:
    """Widths, depths and switches of HGAD (METHODS §2).

    The defaults are the corrected form at widths that train on two processor cores; the preset
    `hgad-paper` of `normalis.presets` holds the published form.

    Attributes:
        levels: Maps of the pyramid that get a flow, by index; () for all but the last, or for all
            where the pyramid has fewer than three.
        blocks: Coupling blocks of each level's flow.
        hidden: Hidden channels of every coupling's network; 0 for twice its inputs (paper).
        subnet_norm: [ours] Normalise the hidden channels of every coupling's network.
        position_width: Channels of the position encoding that every coupling is told.
        labels: What the classes of the mixture are: `found`, the clear clusters of the global
            averages, or `categories`, the category folders or the column of the manifest.
            They are read in training alone.
        concepts: The most classes that are found.
        descriptor: Dimension of the descriptor by which classes are told apart.
        mixture: [fix] The latents are a mixture of classes; otherwise one standard normal serves
            all ("homogeneous mapping"), an ablation.
        centres: Centres of a class, the main one among them.
        information: Weight of the mutual information; 0 to leave it out.
        entropy: Weight of the entropy of the classes; 0 to leave it out.
        first_stage: Share of the training that leaves the classes' own centres out.
        centre_rate: Learning rate of centres and weights, as a multiple of the flow's.
        places: [ours] Positions of each map, drawn anew for every picture and step, that a step of
            training looks at: neighbours say much the same; 0 for all (paper).
        whitening: [ours] A fixed Gaussian step before each flow: `none` (paper), `global`, or
            `concept`: around the mean of each class at each place, by each class's covariance, and
            moved to the class's main centre.
        memory: [ours] Codes of each class and level whose distance from the whitened features is
            scored beside the likelihood; 0 for none (paper).
        memory_levels: [ours] Maps that get a memory, by index; () for those that have a flow.
        memory_by_code: [ours] For the image score such a distance counts in standard deviations
            above what is usual at the nearest code: where good pictures differ from each other,
            as in their glints, it says less. The map shows it as it is.
        neighbourhood: [ours] Side, in positions, of the square over which the whitened features are
            averaged before the memory is asked; odd, 1 for none; one number serves all memories.
        single_picture: [fix] A picture's score depends on it alone and needs no label; otherwise
            the published score, relative to the maximum over its true class's whole test set
            (METHODS §2.4).
        smoothing: Standard deviation of a Gaussian blur of the map, pixels of the prepared picture.
        top_share: Share of the map's highest values that the image score averages; 0 for the
            highest alone (paper).
        image_score: [ours] What the image score averages the highest share of: the `map`, or every
            flow's and memory's own map in turn (`levels`), of which the mean is taken.
        flow_weight: [ours] What a flow counts in the image score beside a memory, which counts 1.
    """

    levels: tuple[int, ...] = ()
    blocks: int = 6
    hidden: int = 128
    subnet_norm: bool = True
    position_width: int = 64
    labels: Literal["found", "categories"] = "found"
    concepts: int = 32
    descriptor: int = 64
    mixture: bool = True
    centres: int = 10
    information: float = 100.0
    entropy: float = 1.0
    first_stage: float = 0.08
    centre_rate: float = 3.0
    places: int = 100
    whitening: Literal["none", "global", "concept"] = "concept"
    memory: int = 512
    memory_levels: tuple[int, ...] = ()
    memory_by_code: bool = True
    neighbourhood: int | tuple[int, ...] = 3
    single_picture: bool = True
    smoothing: float = 4.0
    top_share: float = 0.0003
    image_score: Literal["map", "levels"] = "map"
    flow_weight: float = 0.5

    @property
    def most_concepts(self) -> int:
        """The highest number of classes that are found."""
        return self.concepts

    @property
    def concept_source(self) -> Literal["found", "categories"]:
        """Classes are found once, or told."""
        return self.labels

    def __post_init__(self) -> None:
        """Refuse what cannot work, with the setting's name."""
        check_neighbourhood(self.neighbourhood, setting="hgad.neighbourhood")
        if self.position_width % 4:
            raise SettingsError(
                f"hgad.position_width is {self.position_width}; it must be divisible by 4"
            )
        for name in ("top_share", "first_stage"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"hgad.{name} is {getattr(self, name)}; it lies in [0, 1]")
        for name in ("blocks", "concepts", "descriptor", "centres"):
            if getattr(self, name) < 1:
                raise SettingsError(f"hgad.{name} is {getattr(self, name)}; at least 1")
        if not 0 < self.flow_weight < math.inf:
            raise SettingsError(f"hgad.flow_weight is {self.flow_weight}; more than 0")
        for name in ("hidden", "position_width", "places", "smoothing", "memory"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"hgad.{name} is {getattr(self, name)}; 0 or more")
        for name in ("information", "entropy", "centre_rate"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"hgad.{name} is {getattr(self, name)}; 0 or more")
