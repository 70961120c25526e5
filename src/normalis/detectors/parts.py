"""The parts that more than one method's settings describe, in the same words."""

from normalis.detectors.contract import PictureShapes
from normalis.detectors.hgad.settings import HGADSettings
from normalis.detectors.levels import LevelScale, MapForm, chosen_levels, one_each
from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.detectors.whitened import whitened_levels, whitening_steps
from normalis.mixtures.located_gaussian import LocatedGaussian
from normalis.quantize.memory import ConceptMemory

__all__ = ["first_steps", "level_scale", "map_form", "memories", "remembered_levels"]

LevelSettings = VQFlowSettings | HGADSettings


def remembered_levels(
    settings: LevelSettings, levels: tuple[int, ...], *, maps: int, method: str
) -> tuple[int, ...]:
    """The maps that get a memory, by index.

    Args:
        settings: Of the method.
        levels: The maps that get a flow.
        maps: How many the backbone gives.
        method: Whose settings these are, for the message.

    Raises:
        SettingsError: A map that the backbone does not give, or not one neighbourhood for each.
    """
    if not settings.memory:
        return ()
    setting = f"{method}.memory_levels"
    remembered = chosen_levels(settings.memory_levels or levels, maps, setting=setting)
    one_each(settings.neighbourhood, len(remembered), setting=f"{method}.neighbourhood")
    return remembered


def first_steps(
    settings: LevelSettings,
    shapes: PictureShapes,
    *,
    levels: tuple[int, ...],
    remembered: tuple[int, ...],
    concepts: int,
) -> list[LocatedGaussian]:
    """The whitening of every map that has a flow or a memory."""
    grids = [shapes.maps[i] for i in whitened_levels(levels, remembered)]
    return whitening_steps(settings.whitening, grids, concepts=concepts)


def memories(
    settings: LevelSettings,
    shapes: PictureShapes,
    *,
    remembered: tuple[int, ...],
    concepts: int,
) -> dict[int, ConceptMemory]:
    """The memory of every map that has one, by its index."""
    return {
        i: ConceptMemory(
            concepts,
            codes=settings.memory,
            channels=shapes.maps[i][0],
            by_code=settings.memory_by_code,
        )
        for i in remembered
    }


def level_scale(
    settings: LevelSettings,
    *,
    concepts: int,
    levels: tuple[int, ...],
    remembered: tuple[int, ...],
) -> LevelScale:
    """The scale of every flow's and memory's energies, and of those of a memory as they are."""
    kinds = 2 if settings.memory_by_code else 1
    return LevelScale(concepts, len(levels) + kinds * len(remembered))


def map_form(
    settings: LevelSettings,
    shapes: PictureShapes,
    *,
    levels: tuple[int, ...],
    remembered: tuple[int, ...],
    flow_weight: float = 1.0,
) -> MapForm:
    """How the maps of flows and memories are joined, on the grid of the prepared picture."""
    weights = (flow_weight,) * len(levels) + (1.0,) * len(remembered)
    return MapForm(
        size=shapes.size,
        grids=tuple(shapes.maps[i][1:] for i in (*levels, *remembered)),
        neighbourhood=settings.neighbourhood,
        smoothing=settings.smoothing,
        top_share=settings.top_share,
        by_level=settings.image_score == "levels",
        weights=weights if len(set(weights)) > 1 else None,
    )
