"""The table of transforms: a new one is one row, and every law is tested on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from scipy.stats import special_ortho_group
from torch import Tensor

from normalis.flows import (
    AbstractTransform,
    AffineCoupling,
    Compose,
    FusionCoupling,
    HardPermutation,
    SoftPermutation,
    random_permutation,
)
from normalis.flows.context import Context, PartedContext
from normalis.mixtures import ConceptGaussian, LocatedGaussian, LocatedMoments
from normalis.nn import conv_subnet

__all__ = ["ROWS", "Row", "at_random"]

BATCH = 2


@dataclass(frozen=True)
class Row:
    """A transform in float64 and the shapes that it takes.

    `is_local` says that each position is transformed on its own, so that the log-determinant at
    each position is one of that position's Jacobian, and not only a share of the sum.
    """

    transform: AbstractTransform
    shape: tuple[int, int, int]
    context_shape: tuple[int, int, int] | None = None
    is_local: bool = True

    def inputs(self, seed: int = 0) -> tuple[Tensor, Tensor | None]:
        """A batch and its context."""
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(BATCH, *self.shape, generator=generator, dtype=torch.float64)
        if self.context_shape is None:
            return x, None
        shape = (BATCH, *self.context_shape)
        return x, torch.randn(shape, generator=generator, dtype=torch.float64)


def at_random(name: str, seed: int = 0) -> Row:
    """The row with its weights drawn from the seed; nothing keeps its trivial start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        row = ROWS[name](generator)
    row.transform.double()
    with torch.no_grad():
        for parameter in row.transform.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.5 * noise)
    return row


class LocatedAdapter(AbstractTransform):
    """A `LocatedGaussian` as a transform: the concepts of a batch are 0, 1, 0, ..."""

    def __init__(self, gaussian: LocatedGaussian, concepts: int) -> None:
        super().__init__()
        self.gaussian = gaussian
        self.concepts = concepts

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        return self.gaussian(x, torch.arange(len(x)) % self.concepts)

    def inverse(self, z: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        return self.gaussian.inverse(z, torch.arange(len(z)) % self.concepts)


class FusionAdapter(AbstractTransform):
    """A `FusionCoupling` as a transform: all levels lie in the channels of one position."""

    def __init__(self, fusion: FusionCoupling, shapes: list[tuple[int, int, int]]) -> None:
        super().__init__()
        self.fusion = fusion
        self.shapes = shapes

    def forward(self, x: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        return self._pack(*self.fusion(self._levels(x), self._on_grid(context)))

    def inverse(self, z: Tensor, context: Context = None) -> tuple[Tensor, Tensor]:
        return self._pack(*self.fusion.inverse(self._levels(z), self._on_grid(context)))

    def _levels(self, x: Tensor) -> list[Tensor]:
        parts = x.flatten(1).split([c * h * w for c, h, w in self.shapes], dim=1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def _on_grid(self, context: Context) -> Tensor | None:
        coarsest = self.shapes[-1][1:]
        dense = context.dense() if isinstance(context, PartedContext) else context
        return None if dense is None else dense.reshape(len(dense), -1, *coarsest)

    def _pack(self, xs: list[Tensor], log_dets: list[Tensor]) -> tuple[Tensor, Tensor]:
        for x, log_det in zip(xs, log_dets, strict=True):
            assert log_det.shape == (len(x), *x.shape[2:])
        total = torch.stack([log_det.sum((1, 2)) for log_det in log_dets]).sum(0)
        return torch.cat([x.flatten(1) for x in xs], 1)[:, :, None, None], total[:, None, None]


def coupling(
    channels: int,
    *,
    context: int = 0,
    kernel: int = 1,
    permutation: Callable[[int, torch.Generator], AbstractTransform],
) -> Callable[[torch.Generator], Row]:
    """A row with one coupling block."""

    def build(generator: torch.Generator) -> Row:
        block = _coupling(channels, context, kernel, permutation(channels, generator))
        shape = (channels, 3, 2)
        context_shape = (context, 3, 2) if context else None
        return Row(block, shape, context_shape, is_local=kernel == 1)

    return build


def _coupling(
    channels: int, context: int, kernel: int, permutation: AbstractTransform
) -> AffineCoupling:
    active = channels // 2
    subnet = conv_subnet(channels - active + context, 2 * active, hidden=6, kernel=kernel)
    return AffineCoupling(channels, subnet, permutation=permutation)


def hard(channels: int, generator: torch.Generator) -> HardPermutation:
    return HardPermutation(random_permutation(channels, generator))


def soft(channels: int, generator: torch.Generator) -> SoftPermutation:
    """A rotation in float64, from another library than the one under test."""
    seed = int(torch.randint(2**31, (1,), generator=generator))
    matrix = special_ortho_group.rvs(channels, random_state=seed)
    return SoftPermutation(torch.from_numpy(matrix))


def composed(generator: torch.Generator) -> Row:
    """Everything that takes a context on its grid, one after the other."""
    steps = (_coupling(5, 3, 3, hard(5, generator)), soft(5, generator), hard(5, generator))
    last = _coupling(5, 3, 1, soft(5, generator))
    return Row(Compose([*steps, last]), (5, 3, 2), (3, 3, 2), is_local=False)


def concept_gaussian(*, exact: bool) -> Callable[[torch.Generator], Row]:
    def build(_: torch.Generator) -> Row:
        return Row(ConceptGaussian(3, 4, exact=exact), (3, 3, 2), (4, 1, 1))

    return build


def located(concepts: int, grid: tuple[int, int]) -> Callable[[torch.Generator], Row]:
    """Fitted to a few random pictures of every concept."""

    def build(generator: torch.Generator) -> Row:
        moments = LocatedMoments(concepts, (3, *grid))
        pictures = torch.randn(8, 3, 3, 2, generator=generator, dtype=torch.float64)
        mixing = torch.randn(3, 3, generator=generator, dtype=torch.float64)
        pictures = torch.einsum("dc,bchw->bdhw", mixing, pictures) + 2
        moments.add(pictures, torch.arange(8) % concepts)
        gaussian = LocatedGaussian(concepts, (3, *grid)).double()
        gaussian.set_moments(moments)
        return Row(LocatedAdapter(gaussian, concepts), (3, 3, 2))

    return build


def fusion(*, context: int, kernel: int) -> Callable[[torch.Generator], Row]:
    """Three levels, grids that do and do not divide each other, odd numbers of channels."""

    def build(generator: torch.Generator) -> Row:
        shapes = [(8, 3, 2), (7, 2, 2), (11, 2, 1)]
        channels = tuple(shape[0] for shape in shapes)
        permutations: list[AbstractTransform] = [hard(c, generator) for c in channels]
        step = FusionCoupling(channels, permutations, context=context, kernel=kernel)
        length = sum(c * h * w for c, h, w in shapes)
        context_shape = (context * 2, 1, 1) if context else None
        return Row(FusionAdapter(step, shapes), (length, 1, 1), context_shape)

    return build


ROWS: Mapping[str, Callable[[torch.Generator], Row]] = {
    "coupling": coupling(4, permutation=hard),
    "coupling soft": coupling(4, permutation=soft),
    "coupling odd": coupling(5, permutation=hard),
    "coupling of two channels": coupling(2, context=1, permutation=soft),
    "coupling with context": coupling(5, context=3, permutation=hard),
    "coupling 3x3": coupling(5, kernel=3, permutation=soft),
    "coupling 3x3 with context": coupling(4, context=3, kernel=3, permutation=hard),
    "hard permutation": lambda generator: Row(hard(5, generator), (5, 3, 2)),
    "soft permutation": lambda generator: Row(soft(5, generator), (5, 3, 2)),
    "composition": composed,
    "concept gaussian": concept_gaussian(exact=True),
    "located gaussian": located(2, (3, 2)),
    "located gaussian, one concept, all places alike": located(1, (1, 1)),
    "fusion": fusion(context=0, kernel=3),
    "fusion with context": fusion(context=2, kernel=3),
    "fusion 1x1": fusion(context=2, kernel=1),
}
