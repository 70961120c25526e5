"""Hierarchical mixtures and latents to ask them about, the mixtures' parts written out by loops."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from normalis.mixtures import HierarchicalMixture

__all__ = ["DENSITIES", "SHAPES", "Density", "Shape", "latents", "mixture"]


@dataclass(frozen=True)
class Shape:
    """How many classes, channels, and centres in a class."""

    classes: int
    channels: int
    centres: int


SHAPES = {
    "one class of one centre": Shape(1, 3, 1),
    "one centre a class": Shape(4, 3, 1),
    "fewer classes than channels": Shape(3, 7, 4),
    "more classes than channels": Shape(6, 2, 3),
}


def mixture(shape: Shape, *, spread: float = 1.5, seed: int = 0) -> HierarchicalMixture:
    """A mixture of which every parameter is drawn anew; float64."""
    made = HierarchicalMixture(shape.classes, shape.channels, centres=shape.centres).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=spread, generator=generator)
    return made


def latents(channels: int, *, batch: int = 4, scale: float = 2.0) -> Tensor:
    """Latents of a few pictures of 3 x 2 positions; float64."""
    generator = torch.Generator().manual_seed(1)
    return scale * torch.randn(batch, channels, 3, 2, generator=generator, dtype=torch.float64)


@dataclass(frozen=True)
class Density:
    """One of the densities: how it is asked, and the Gaussians that it is made of."""

    log_prob: Callable[[HierarchicalMixture, Tensor, Tensor], Tensor]  # of mixture, z and label
    parts: Callable[[HierarchicalMixture, int], list[tuple[Tensor, Tensor]]]  # weight, centre


def _main(made: HierarchicalMixture, _: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(made.class_logits.softmax(0), made.main, strict=True))


def _own(made: HierarchicalMixture, label: int) -> list[tuple[Tensor, Tensor]]:
    main = made.main[label]
    centres = [main, *(main + delta for delta in made.deltas[label])]
    return list(zip(made.centre_logits[label].softmax(0), centres, strict=True))


def _every(made: HierarchicalMixture, _: int) -> list[tuple[Tensor, Tensor]]:
    priors = made.class_logits.softmax(0)
    return [
        (prior * weight, centre)
        for label, prior in enumerate(priors)
        for weight, centre in _own(made, label)
    ]


DENSITIES = {
    "of the classes": Density(lambda made, z, _: made.log_prob(z), _main),
    "of the picture's class": Density(lambda made, z, y: made.log_prob_of_class(z, y), _own),
    "of all": Density(lambda made, z, _: made.log_prob_all(z), _every),
}
