"""The pyramid whose map is the picture."""

import pytest
import torch

from normalis.backbones import BackboneSettings, build_pyramid, pyramid_state, restore_pyramid
from normalis.errors import SettingsError

PIXELS = BackboneSettings(name="pixels")


def test_the_map_is_the_picture() -> None:
    pyramid = build_pyramid(PIXELS)
    pixels = torch.rand(2, 3, 5, 7)
    (level,) = pyramid(pixels)
    assert torch.equal(level, pixels)
    assert pyramid.shapes(5, 7) == ((3, 5, 7),)
    assert (pyramid.channels, pyramid.strides) == ((3,), (1,))


def test_it_is_restored_from_nothing() -> None:
    pyramid = build_pyramid(PIXELS)
    state = pyramid_state(pyramid)
    assert state == {}
    again = restore_pyramid(PIXELS, state)
    assert again.fingerprint == pyramid.fingerprint
    assert again.device == torch.device("cpu")


@pytest.mark.parametrize(
    "change", [{"weights": "file.pth"}, {"maps": (1,)}, {"scales": (1.0, 0.5)}]
)
def test_it_has_neither_weights_nor_maps(change: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="picture itself"):
        BackboneSettings(name="pixels", **change)  # pyright: ignore[reportArgumentType]
