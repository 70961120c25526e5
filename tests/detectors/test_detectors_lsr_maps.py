"""Weights over restorations, and the filters of the map."""

import torch

from normalis.detectors.lsr.maps import filtered, restoration_weights


def test_the_nearest_restoration_weighs_most() -> None:
    x = torch.zeros(1, 1, 4, 4)
    restored = torch.stack([torch.full((1, 4, 4), d) for d in (0.5, 1.0, 2.0)])[None]
    weights = restoration_weights(x, restored, sharpness=3.0)
    torch.testing.assert_close(weights[0], torch.tensor([6.0, 3.0, 1.5]).softmax(0))


def test_the_size_of_the_picture_does_not_matter() -> None:
    restored = torch.rand(2, 3, 1, 4, 4)
    small = restoration_weights(torch.zeros(2, 1, 4, 4), restored, sharpness=3.0)
    tiled = restored.repeat(1, 1, 1, 3, 3)
    large = restoration_weights(torch.zeros(2, 1, 12, 12), tiled, sharpness=3.0)
    torch.testing.assert_close(small, large)


def test_restorations_that_change_nothing_weigh_alike() -> None:
    x = torch.rand(1, 1, 4, 4)
    weights = restoration_weights(x, x[:, None].expand(-1, 5, -1, -1, -1), sharpness=3.0)
    torch.testing.assert_close(weights, torch.full((1, 5), 0.2))


def test_a_thin_line_is_no_finding_and_a_patch_is() -> None:
    maps = torch.zeros(1, 16, 16)
    maps[0, 3] = 9
    maps[0, 8:13, 8:13] = 1
    out = filtered(maps, erosion=3, smoothing=3)
    assert float(out[0, :6].max()) == 0
    assert float(out[0, 10, 10]) == 1
    assert float(out.max()) == 1


def test_sides_of_one_change_nothing() -> None:
    maps = torch.rand(2, 8, 8)
    assert torch.equal(filtered(maps, erosion=1, smoothing=1), maps)


def test_a_constant_map_stays_to_its_border() -> None:
    maps = torch.full((1, 8, 8), 2.5)
    torch.testing.assert_close(filtered(maps, erosion=3, smoothing=7), maps)
