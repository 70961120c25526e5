"""The settings of VQ-Flow, each departure from the published form under a name of its own."""

import math
from dataclasses import dataclass
from typing import Literal

from normalis.detectors.levels import check_neighbourhood
from normalis.errors import SettingsError

__all__ = ["VQFlowSettings"]


@dataclass(frozen=True, kw_only=True)
class VQFlowSettings:
    """Widths, depths and switches of VQ-Flow (METHODS §1).

    The defaults are the corrected form at widths that train on two processor cores; the presets
    `vqflow-paper` and `flow` of `normalis.presets` hold the others.

    Attributes:
        levels: Maps of the pyramid that get a flow, by index; () for all but the last, which then
            only conditions, or for all where the pyramid has fewer than three.
        blocks: Coupling blocks of each level's flow; one number serves all levels.
        hidden: Hidden channels of every coupling's network; 0 for as many as its inputs (paper).
        kernel: Side of the coupling's convolutions: 3 (paper) or 1.
        fusion: Join the levels by the cross-scale coupling.
        condition: What the couplings are told: `vq` the concept and the pattern codes, `position`
            the position encoding alone, `none` nothing.
        concepts: Codes of the concept codebook, or the most of them with `found_concepts`.
        prototype: Dimension of a concept's prototype.
        patterns: Codes of each level's pattern codebook, of dimension position + prototype.
        position_width: Channels of the position encoding within a pattern code.
        found_concepts: [ours] Concepts are the clear clusters of the global averages, found
            once, at most `concepts` of them; otherwise a network learns the descriptors together
            with the flow (paper).
        whitening: [ours] A fixed Gaussian step before each flow: `none` (paper), `global`, or
            `concept`: around the mean of each concept at each place, by each concept's covariance.
        memory: [ours] Codes of each concept and level whose distance from the whitened features is
            scored beside the likelihood; 0 for none (paper).
        memory_levels: [ours] Maps that get a memory, by index; () for those that have a flow.
        memory_by_code: [ours] For the image score such a distance counts in standard deviations
            above what is usual at the nearest code: where good pictures differ from each other,
            as in their glints, it says less. The map shows it as it is.
            Chosen on planted defects.
        neighbourhood: [ours] Side, in positions, of the square over which the whitened features are
            averaged before the memory is asked; odd, 1 for none; one number serves all memories.
        data_codes: [fix] Codes start from data and dead codes are revived (METHODS §0.3).
        exact_prior: [fix] The prior's scale is bounded and counted (METHODS §1.5).
        per_dimension: [fix] The flow's loss is divided by the number of dimensions (METHODS §1.6).
        absolute_score: [fix] Score by the absolute likelihood, standardised on held-out normal
            pictures, and not by each picture's own maximum (METHODS §1.7).
        score_log_det: Count the log-determinant in the absolute score.
        smoothing: [ours] Standard deviation of a Gaussian blur of the map, pixels of the prepared
            picture; 0 for none (paper).
        top_share: Share of the map's highest values that the image score averages; 0.03 in the
            paper, here chosen on planted defects (benchmarks/planted.py).
        image_score: [ours] What the image score averages the highest share of: the `map`, or every
            flow's and memory's own map in turn (`levels`), of which the mean is taken: one level
            may see a defect that the others dilute, and where each sees it may differ. Chosen on
            planted defects, too.
    """

    levels: tuple[int, ...] = ()
    blocks: tuple[int, ...] = (4,)
    hidden: int = 128
    kernel: int = 1
    fusion: bool = True
    condition: Literal["vq", "position", "none"] = "vq"
    concepts: int = 32
    prototype: int = 64
    patterns: int = 512
    position_width: int = 32
    found_concepts: bool = True
    whitening: Literal["none", "global", "concept"] = "concept"
    memory: int = 512
    memory_levels: tuple[int, ...] = ()
    memory_by_code: bool = True
    neighbourhood: int | tuple[int, ...] = 3
    data_codes: bool = True
    exact_prior: bool = True
    per_dimension: bool = True
    absolute_score: bool = True
    score_log_det: bool = True
    smoothing: float = 4.0
    top_share: float = 0.0003
    image_score: Literal["map", "levels"] = "levels"

    @property
    def most_concepts(self) -> int:
        """The highest number of concepts; 1 where nothing is conditioned on them."""
        return self.concepts if self.condition == "vq" else 1

    @property
    def concept_source(self) -> Literal["found", "learned", "categories"]:
        """Concepts are found once, or learned together with the flow (paper)."""
        return "found" if self.found_concepts else "learned"

    def __post_init__(self) -> None:
        """Refuse what cannot work, with the setting's name."""
        if not self.blocks or min(self.blocks) < 1:
            raise SettingsError("vqflow.blocks: one or more numbers, each at least 1")
        if self.kernel not in (1, 3):
            raise SettingsError(f"vqflow.kernel is {self.kernel}; it can be 1 or 3")
        check_neighbourhood(self.neighbourhood, setting="vqflow.neighbourhood")
        if self.position_width % 4:
            raise SettingsError(
                f"vqflow.position_width is {self.position_width}; it must be divisible by 4"
            )
        if not 0 < self.top_share <= 1:
            raise SettingsError(f"vqflow.top_share is {self.top_share}; it lies in (0, 1]")
        for name in ("concepts", "prototype", "patterns", "position_width"):
            if getattr(self, name) < 1:
                raise SettingsError(f"vqflow.{name} is {getattr(self, name)}; at least 1")
        for name in ("hidden", "smoothing", "memory"):
            if not 0 <= getattr(self, name) < math.inf:
                raise SettingsError(f"vqflow.{name} is {getattr(self, name)}; 0 or more")
