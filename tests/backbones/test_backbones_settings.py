"""Settings that no backbone could satisfy are refused at once, in one sentence."""

import dataclasses
from typing import Any

import pytest

from normalis.backbones.settings import BackboneSettings
from normalis.errors import SettingsError


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": ""}, "name is empty"),
        ({"weights": "some.pth"}, "embedded backbone brings its own weights"),
        ({"maps": (2, 1)}, r"maps are \[2, 1\]"),
        ({"maps": (1, 1)}, "each once"),
        ({"maps": (-1,)}, "counted from 0"),
        ({"groups": ()}, "at least one pair"),
        ({"groups": ((0, 3),)}, "counted from 1"),
        ({"groups": ((6, 3),)}, r"groups are \[\[6, 3\]\]"),
        ({"scales": ()}, "at least one"),
        ({"scales": (1.0, 2.0)}, r"scales are \[1.0, 2.0\]"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        BackboneSettings(**values)


def test_the_default_is_the_embedded_backbone_offline() -> None:
    settings = BackboneSettings()
    assert settings.name == "embedded"
    assert not settings.download


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        BackboneSettings().name = "resnet18"  # pyright: ignore[reportAttributeAccessIssue]
