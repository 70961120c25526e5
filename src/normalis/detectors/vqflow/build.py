"""Puts a VQ-Flow together from its settings."""

from math import prod

import torch

from normalis.detectors.concepts import FixedEncoder
from normalis.detectors.contract import PictureShapes
from normalis.detectors.levels import chosen_levels, one_each
from normalis.detectors.parts import (
    first_steps,
    level_scale,
    map_form,
    memories,
    remembered_levels,
)
from normalis.detectors.vqflow.concept import ConceptBranch, LearnedEncoder
from normalis.detectors.vqflow.condition import (
    AbstractConditioner,
    PositionConditioner,
    VQConditioner,
)
from normalis.detectors.vqflow.detector import VQFlow
from normalis.detectors.vqflow.maps import ScoreForm
from normalis.detectors.vqflow.pattern import PatternBranch
from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.flows.coupling import AffineCoupling
from normalis.flows.fusion import FusionCoupling
from normalis.flows.linear import HardPermutation, random_permutation
from normalis.flows.transform import AbstractTransform, Compose
from normalis.mixtures.concept_gaussian import ConceptGaussian
from normalis.nn.layers import conv_subnet
from normalis.quantize.ema import EMAQuantizer

__all__ = ["build_vqflow"]


def build_vqflow(
    settings: VQFlowSettings, shapes: PictureShapes, *, concepts: int, seed: int
) -> VQFlow:
    """A VQ-Flow over these pictures, its weights drawn from the seed.

    Args:
        settings: Widths, depths and switches.
        shapes: Of the prepared picture and its feature pyramid.
        concepts: Codes of the concept codebook.
        seed: Of the weights and the permutations.

    Raises:
        SettingsError: A level that the pyramid does not have.
    """
    levels = chosen_levels(settings.levels, len(shapes.maps), setting="vqflow.levels")
    remembered = remembered_levels(settings, levels, maps=len(shapes.maps), method="vqflow")
    channels = tuple(shapes.maps[i][0] for i in levels)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        conditioner = _conditioner(settings, shapes.maps, levels=levels, concepts=concepts)
        context, prototype = conditioner.widths()
        blocks = one_each(settings.blocks, len(levels), setting="vqflow.blocks")
        told_apart = concepts if prototype else 1
        return VQFlow(
            levels=levels,
            conditioner=conditioner,
            whitening=first_steps(
                settings, shapes, levels=levels, remembered=remembered, concepts=told_apart
            ),
            memories=memories(settings, shapes, remembered=remembered, concepts=told_apart),
            flows=[
                _flow(settings, c, context=context, blocks=n, generator=generator)
                for c, n in zip(channels, blocks, strict=True)
            ],
            priors=[
                ConceptGaussian(c, prototype, exact=settings.exact_prior)
                for c in channels * bool(prototype)
            ],
            fusion=_fusion(settings, channels, context, generator) if settings.fusion else None,
            scale=level_scale(settings, concepts=told_apart, levels=levels, remembered=remembered),
            form=ScoreForm(
                maps=map_form(settings, shapes, levels=levels, remembered=remembered),
                absolute=settings.absolute_score,
                log_det=settings.score_log_det,
            ),
            per_dimension=settings.per_dimension,
        )


def _conditioner(
    settings: VQFlowSettings,
    maps: tuple[tuple[int, int, int], ...],
    *,
    levels: tuple[int, ...],
    concepts: int,
) -> AbstractConditioner:
    """The part that tells the flows what they look at."""
    if settings.condition != "vq":
        width = settings.position_width if settings.condition == "position" else 0
        return PositionConditioner(levels, position_width=width)
    channels = tuple(c for c, _, _ in maps)
    encoder = FixedEncoder if settings.found_concepts else LearnedEncoder
    grids = _grids(maps, levels)
    return VQConditioner(
        levels,
        ConceptBranch(
            encoder(channels, settings.prototype), _codebook(settings, concepts, settings.prototype)
        ),
        patterns=[_pattern(settings, maps[i], name=f"pattern {i + 1}") for i in levels],
        fusion=_pattern(settings, (channels[-1], *grids[-1]), name="pattern fusion"),
        deepest=channels[-1],
        grids=grids,
        from_data=settings.data_codes,
    )


def _grids(
    maps: tuple[tuple[int, int, int], ...], levels: tuple[int, ...]
) -> tuple[tuple[int, int], ...]:
    """Rows and columns of each level, then of the coarsest, on which the fusion works."""
    grids = [maps[i][1:] for i in levels]
    return (*grids, min(grids, key=prod))


def _pattern(settings: VQFlowSettings, shape: tuple[int, int, int], *, name: str) -> PatternBranch:
    """A pattern branch with its codebook, over features of this shape."""
    codebook = _codebook(settings, settings.patterns, settings.position_width + settings.prototype)
    channels, h, w = shape
    return PatternBranch(
        channels, codebook, name=name, position_width=settings.position_width, grid=(h, w)
    )


def _codebook(settings: VQFlowSettings, size: int, dim: int) -> EMAQuantizer:
    """A codebook, corrected or as published."""
    if settings.data_codes:
        return EMAQuantizer(size, dim)
    return EMAQuantizer(size, dim, revive_below=0.0, initial_count=0.0)


def _flow(
    settings: VQFlowSettings,
    channels: int,
    *,
    context: int,
    blocks: int,
    generator: torch.Generator,
) -> Compose:
    """The coupling blocks of one level."""
    active = channels // 2
    inputs = channels - active + context
    hidden = settings.hidden or inputs
    return Compose(
        AffineCoupling(
            channels,
            conv_subnet(inputs, 2 * active, hidden=hidden, kernel=settings.kernel),
            permutation=_permutation(channels, generator),
        )
        for _ in range(blocks)
    )


def _fusion(
    settings: VQFlowSettings, channels: tuple[int, ...], context: int, generator: torch.Generator
) -> FusionCoupling:
    """The coupling over all levels."""
    permutations: list[AbstractTransform] = [_permutation(c, generator) for c in channels]
    return FusionCoupling(channels, permutations, context=context, kernel=settings.kernel)


def _permutation(channels: int, generator: torch.Generator) -> HardPermutation:
    """A random order of the channels."""
    return HardPermutation(random_permutation(channels, generator))
