"""The published maps of HGAD, written out picture by picture, and the form that needs one alone."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from normalis.detectors.hgad.paper import SMOOTHING, Quantities, product_maps
from normalis.nn.blur import gaussian_blur

SIZE = (16, 16)


def quantities(count: int = 5, *, seed: int = 0) -> Quantities:
    generator = torch.Generator().manual_seed(seed)
    drawn = [-torch.rand(count, side, side, generator=generator) for side in (8, 4, 8, 4)]
    return Quantities((drawn[0], drawn[1]), (drawn[2], drawn[3]))


def by_hand(levels: tuple[Tensor, ...]) -> Tensor:
    """METHODS §2.4 for one quantity of a whole set."""
    total = torch.zeros(len(levels[0]), *SIZE)
    for level in levels:
        share = torch.exp(level - level.max())
        total += interpolate(share[:, None], list(SIZE), mode="bilinear")[:, 0]
    return gaussian_blur(total.max() - total, SMOOTHING)


def test_the_maps_of_a_set_are_the_published_ones() -> None:
    q = quantities()
    expected = by_hand(q.likelihood) * by_hand(q.certainty)
    torch.testing.assert_close(product_maps(q, SIZE), expected)


def test_with_reference_maxima_a_map_depends_on_its_picture_alone() -> None:
    q, highest = quantities(), quantities(seed=1).highest()
    alone = Quantities(tuple(x[2:3] for x in q.likelihood), tuple(x[2:3] for x in q.certainty))
    torch.testing.assert_close(
        product_maps(alone, SIZE, highest=highest)[0], product_maps(q, SIZE, highest=highest)[2]
    )


def test_without_them_it_does_not() -> None:
    q = quantities()
    fewer = Quantities(tuple(x[:1] for x in q.likelihood), tuple(x[:1] for x in q.certainty))
    assert not torch.allclose(product_maps(fewer, SIZE)[0], product_maps(q, SIZE)[0])


def test_what_is_unlikely_and_unsure_scores_high() -> None:
    q = quantities(2)
    for levels in (q.likelihood, q.certainty):
        for level in levels:
            level[0, :2, :2] -= 3.0
    maps = product_maps(q, SIZE, highest=q.highest())
    assert float(maps[0, :3, :3].mean()) > float(maps[1].max())
