"""Puts a VQ-Flow together from its settings."""

import torch

from normalis.detectors.vqflow.concept import ConceptBranch
from normalis.detectors.vqflow.condition import (
    AbstractConditioner,
    PositionConditioner,
    VQConditioner,
)
from normalis.detectors.vqflow.detector import VQFlow
from normalis.detectors.vqflow.pattern import PatternBranch
from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.errors import SettingsError
from normalis.flows import (
    AbstractTransform,
    AffineCoupling,
    Compose,
    FusionCoupling,
    HardPermutation,
    Whitening,
    random_permutation,
)
from normalis.mixtures.concept_gaussian import ConceptGaussian
from normalis.nn.layers import conv_subnet
from normalis.quantize.ema import EMAQuantizer

__all__ = ["build_vqflow"]


def build_vqflow(settings: VQFlowSettings, channels: tuple[int, ...], *, seed: int) -> VQFlow:
    """A VQ-Flow over a pyramid with these channels, its weights drawn from the seed.

    Args:
        settings: Widths, depths and switches.
        channels: Of every map of the pyramid, the deepest last.
        seed: Of the weights and the permutations.

    Raises:
        SettingsError: A level that the pyramid does not have.
    """
    levels = _levels(settings, len(channels))
    level_channels = tuple(channels[i] for i in levels)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        conditioner = _conditioner(settings, level_channels, channels[-1])
        condition, prototype = conditioner.widths()
        return VQFlow(
            levels=levels,
            conditioner=conditioner,
            flows=[
                _flow(settings, c, condition, blocks, generator)
                for c, blocks in zip(level_channels, _blocks(settings, len(levels)), strict=True)
            ],
            priors=[
                ConceptGaussian(c, prototype, exact=settings.exact_prior)
                for c in level_channels
                if prototype
            ],
            fusion=_fusion(level_channels, condition, generator) if settings.fusion else None,
            per_dimension=settings.per_dimension,
        )


def _levels(settings: VQFlowSettings, maps: int) -> tuple[int, ...]:
    """The maps that get a flow."""
    levels = settings.levels or tuple(range(maps - 1 if maps > 2 else maps))
    if min(levels) < 0 or max(levels) >= maps:
        raise SettingsError(
            f"vqflow.levels is {levels}, but the backbone gives maps 0 to {maps - 1}"
        )
    return levels


def _blocks(settings: VQFlowSettings, levels: int) -> tuple[int, ...]:
    """Coupling blocks of each level."""
    blocks = settings.blocks if len(settings.blocks) > 1 else settings.blocks * levels
    if len(blocks) != levels:
        raise SettingsError(
            f"vqflow.blocks has {len(blocks)} numbers for {levels} levels; give one, or one each"
        )
    return blocks


def _conditioner(
    settings: VQFlowSettings, channels: tuple[int, ...], deepest: int
) -> AbstractConditioner:
    """The part that tells the flows what they look at."""
    if settings.condition != "vq":
        return PositionConditioner(settings.position_width * (settings.condition == "position"))
    patterns = [
        _pattern(settings, f"pattern {i + 1}", c) for i, c in enumerate(channels)
    ]
    return VQConditioner(
        ConceptBranch(deepest, _codebook(settings, settings.concepts, settings.prototype)),
        patterns,
        _pattern(settings, "pattern fusion", deepest),
        deepest=deepest,
    )


def _pattern(settings: VQFlowSettings, name: str, channels: int) -> PatternBranch:
    dim = settings.position_width + settings.prototype
    codebook = _codebook(settings, settings.patterns, dim)
    return PatternBranch(name, channels, codebook, position_width=settings.position_width)


def _codebook(settings: VQFlowSettings, size: int, dim: int) -> EMAQuantizer:
    """A codebook, corrected or as published."""
    if settings.data_codes:
        return EMAQuantizer(size, dim)
    return EMAQuantizer(size, dim, revive_below=0.0, initial_count=0.0)


def _flow(
    settings: VQFlowSettings,
    channels: int,
    condition: int,
    blocks: int,
    generator: torch.Generator,
) -> Compose:
    """Whitening, where it is wanted, then the coupling blocks."""
    active = channels // 2
    inputs = channels - active + condition
    steps: list[AbstractTransform] = [] if settings.whitening == "none" else [Whitening(channels)]
    for _ in range(blocks):
        subnet = conv_subnet(
            inputs, settings.hidden or inputs, 2 * active, kernel=settings.kernel
        )
        steps.append(AffineCoupling(channels, subnet, _permutation(channels, generator)))
    return Compose(steps)


def _fusion(
    channels: tuple[int, ...], condition: int, generator: torch.Generator
) -> FusionCoupling:
    permutations: list[AbstractTransform] = [_permutation(c, generator) for c in channels]
    return FusionCoupling(channels, permutations, context=condition)


def _permutation(channels: int, generator: torch.Generator) -> HardPermutation:
    return HardPermutation(random_permutation(channels, generator))
