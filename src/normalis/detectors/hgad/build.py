"""Puts an HGAD together from its settings."""

import torch
from torch import nn

from normalis.detectors.concepts import FixedEncoder
from normalis.detectors.contract import PictureShapes
from normalis.detectors.hgad.classes import ClassFinder
from normalis.detectors.hgad.detector import HGAD
from normalis.detectors.hgad.level import MixtureLevel
from normalis.detectors.hgad.objective import Objective
from normalis.detectors.hgad.settings import HGADSettings
from normalis.detectors.levels import chosen_levels
from normalis.detectors.parts import (
    first_steps,
    level_scale,
    map_form,
    memories,
    remembered_levels,
)
from normalis.flows.coupling import AffineCoupling
from normalis.flows.linear import SoftPermutation, random_rotation
from normalis.flows.transform import Compose
from normalis.mixtures.hierarchical import HierarchicalMixture
from normalis.nn.layers import conv_subnet

__all__ = ["build_hgad"]


def build_hgad(settings: HGADSettings, shapes: PictureShapes, *, concepts: int, seed: int) -> HGAD:
    """An HGAD over these pictures, its weights drawn from the seed.

    Args:
        settings: Widths, depths and switches.
        shapes: Of the prepared picture and its feature pyramid.
        concepts: Number of classes.
        seed: Of the weights, the centres and the rotations.

    Raises:
        SettingsError: A level that the pyramid does not have.
    """
    levels = chosen_levels(settings.levels, len(shapes.maps), setting="hgad.levels")
    remembered = remembered_levels(settings, levels, maps=len(shapes.maps), method="hgad")
    channels = tuple(c for c, _, _ in shapes.maps)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return HGAD(
            levels=levels,
            finder=ClassFinder(
                FixedEncoder(channels, settings.descriptor),
                classes=concepts,
                width=settings.descriptor,
            ),
            whitening=first_steps(
                settings, shapes, levels=levels, remembered=remembered, concepts=concepts
            ),
            memories=memories(settings, shapes, remembered=remembered, concepts=concepts),
            flows=[_level(settings, channels[i], concepts, generator) for i in levels],
            moves=settings.whitening == "concept",
            scale=level_scale(settings, concepts=concepts, levels=levels, remembered=remembered),
            objective=Objective(
                information=settings.information,
                entropy=settings.entropy,
                first_stage=settings.first_stage,
                centre_rate=settings.centre_rate,
                places=settings.places,
            ),
            form=map_form(
                settings,
                shapes,
                levels=levels,
                remembered=remembered,
                flow_weight=settings.flow_weight,
            ),
            single_picture=settings.single_picture,
        )


def _level(
    settings: HGADSettings, channels: int, concepts: int, generator: torch.Generator
) -> MixtureLevel:
    """The coupling blocks of one level, and its mixture."""
    active = channels // 2
    inputs = channels - active + settings.position_width
    flow = Compose(
        AffineCoupling(
            channels,
            _subnet(settings, inputs, 2 * active),
            permutation=SoftPermutation(rotation),
        )
        for rotation in _rotations(settings, channels, generator)
    )
    mixture = HierarchicalMixture(
        concepts if settings.mixture else 1, channels, centres=settings.centres
    )
    return MixtureLevel(flow, mixture, position_width=settings.position_width)


def _rotations(
    settings: HGADSettings, channels: int, generator: torch.Generator
) -> list[torch.Tensor]:
    """A random rotation for every block.

    Where features start at the centre of their class, the last rotation undoes the others, so that
    a flow that has learned nothing leaves them there.
    """
    drawn = [random_rotation(channels, generator) for _ in range(settings.blocks)]
    if settings.whitening == "concept":
        undone = torch.eye(channels, dtype=torch.float64)
        for rotation in drawn[:-1]:
            undone = rotation.double() @ undone
        drawn[-1] = undone.T.float()
    return drawn


def _subnet(settings: HGADSettings, inputs: int, outputs: int) -> nn.Sequential:
    """The network of a coupling: two layers over single pixels."""
    hidden = settings.hidden or 2 * inputs
    return conv_subnet(inputs, outputs, hidden=hidden, kernel=1, norm=settings.subnet_norm)
