"""Pyramids by name: the laws all of them keep, timm as the reference, and what is refused."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from backbone_samples import pixels_of, random_network, random_state
from safetensors.torch import save_file
from torch.nn.functional import avg_pool2d

from normalis.backbones.build import build_pyramid, pyramid_state, restore_pyramid
from normalis.backbones.pyramid import AbstractPyramid
from normalis.backbones.settings import BackboneSettings
from normalis.errors import SettingsError, WeightsError

WeightsOf = Callable[[str], str]

# One row per architecture: name, settings beyond the weights, picture size.
PYRAMIDS: list[tuple[str, dict[str, Any], tuple[int, int]]] = [
    ("test_resnet", {}, (64, 96)),
    ("test_resnet", {"maps": (1, 3), "pool": True}, (64, 64)),
    ("test_convnext", {"pool": True}, (64, 64)),
    ("test_efficientnet", {"maps": (0, 1, 2)}, (67, 50)),
    ("test_coatnet", {}, (160, 160)),
    ("test_vit", {"groups": ((1, 2), (3, 5))}, (64, 96)),
    ("test_vit3", {"groups": ((2, 2),)}, (64, 64)),
    ("test_vit", {"groups": ((1, 2), (3, 5)), "token_norm": True}, (64, 64)),
    ("test_efficientnet", {"maps": (3,), "scales": (1.0, 0.5)}, (128, 128)),
]


@pytest.fixture(params=PYRAMIDS, ids=lambda row: f"{row[0]}-{'-'.join(row[1]) or 'plain'}")
def case(
    request: pytest.FixtureRequest, weights_of: WeightsOf
) -> tuple[BackboneSettings, tuple[int, int]]:
    name, values, size = request.param
    return BackboneSettings(name=name, weights=weights_of(name), **values), size


def test_it_states_its_channels_strides_and_shapes(
    case: tuple[BackboneSettings, tuple[int, int]],
) -> None:
    settings, size = case
    pyramid = build_pyramid(settings)
    maps = pyramid(pixels_of(*size))
    assert [level.shape[1] for level in maps] == list(pyramid.channels)
    assert [tuple(level.shape[1:]) for level in maps] == list(pyramid.shapes(*size))
    for level, stride in zip(maps, pyramid.strides, strict=True):
        assert abs(level.shape[2] - size[0] / stride) < 1
        assert abs(level.shape[3] - size[1] / stride) < 1


def test_a_picture_gives_the_same_maps_alone_and_in_any_batch(
    case: tuple[BackboneSettings, tuple[int, int]],
) -> None:
    settings, size = case
    pyramid = build_pyramid(settings)
    pixels = pixels_of(*size, count=5)
    together = pyramid(pixels)
    alone = [torch.cat(levels) for levels in zip(*(pyramid(p[None]) for p in pixels), strict=True)]
    again = pyramid(pixels.flip(0))
    for level, one, flipped in zip(together, alone, again, strict=True):
        tolerance = 1e-5 * level.abs().max().item()
        torch.testing.assert_close(level, one, rtol=0, atol=tolerance)
        torch.testing.assert_close(level, flipped.flip(0), rtol=0, atol=tolerance)


def test_an_image_pyramid_is_the_network_at_every_size(weights_of: WeightsOf) -> None:
    """As HGAD has it (METHODS 2.1): the same stage of the picture at several sizes."""
    name = "test_efficientnet"
    settings = BackboneSettings(name=name, weights=weights_of(name), maps=(2,))
    pixels = pixels_of(128, 96)
    half = torch.nn.functional.interpolate(pixels, (64, 48), mode="bilinear")
    expected = [build_pyramid(settings)(size)[0] for size in (pixels, half)]
    scaled = build_pyramid(dataclasses.replace(settings, scales=(1.0, 0.5)))
    for level, one in zip(scaled(pixels), expected, strict=True):
        torch.testing.assert_close(level, one)
    assert scaled.fingerprint != build_pyramid(settings).fingerprint
    with pytest.raises(SettingsError, match="too small"):
        scaled(pixels_of(32, 32))


def test_it_is_frozen_whatever_its_owner_does(
    case: tuple[BackboneSettings, tuple[int, int]],
) -> None:
    settings, size = case
    pyramid = build_pyramid(settings)
    before = pyramid(pixels_of(*size))
    torch.nn.Sequential(pyramid).train()
    assert not any(module.training for module in pyramid.modules())
    assert not any(parameter.requires_grad for parameter in pyramid.parameters())
    after = pyramid(pixels_of(*size))
    for one, other in zip(before, after, strict=True):
        assert not one.requires_grad
        assert torch.equal(one, other)


def test_saved_tensors_alone_restore_it(case: tuple[BackboneSettings, tuple[int, int]]) -> None:
    settings, size = case
    pyramid = build_pyramid(settings)
    away = BackboneSettings(
        name=settings.name,
        weights="/no/such/file.safetensors",
        maps=settings.maps,
        groups=settings.groups,
        token_norm=settings.token_norm,
        pool=settings.pool,
        scales=settings.scales,
    )
    restored = restore_pyramid(away, pyramid_state(pyramid))
    assert restored.fingerprint == pyramid.fingerprint
    pixels = pixels_of(*size)
    for one, other in zip(pyramid(pixels), restored(pixels), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("name", "maps"), [("test_resnet", (1, 2, 4)), ("test_convnext", (0, 3)), ("test_byobnet", ())]
)
def test_stages_are_those_of_timm(name: str, maps: tuple[int, ...], weights_of: WeightsOf) -> None:
    settings = BackboneSettings(name=name, weights=weights_of(name), maps=maps)
    reference = timm.create_model(
        name,
        pretrained=True,
        features_only=True,
        out_indices=maps or (1, 2, 3, 4),
        pretrained_cfg_overlay={"state_dict": random_state(name)},
    ).eval()
    record: Any = reference.pretrained_cfg
    mean, std = (torch.tensor(record[key]).view(3, 1, 1) for key in ("mean", "std"))
    pixels = pixels_of(64, 64)
    with torch.no_grad():
        expected = reference((pixels - mean) / std)
    for level, wanted in zip(build_pyramid(settings)(pixels), expected, strict=True):
        torch.testing.assert_close(level, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("token_norm", [False, True])
def test_groups_are_means_over_a_transformers_blocks(
    weights_of: WeightsOf, *, token_norm: bool
) -> None:
    network = random_network("test_vit")
    tokens: list[torch.Tensor] = []
    blocks: Any = network.blocks
    for block in blocks:
        block.register_forward_hook(lambda _m, _i, output: tokens.append(output))
    pixels = pixels_of(160, 160)
    with torch.no_grad():
        network((pixels - 0.5) / 0.5)
    if token_norm:
        tokens = [
            (block - block.mean(-1, keepdim=True)) / block.std(-1, correction=0, keepdim=True)
            for block in tokens
        ]
    settings = BackboneSettings(
        name="test_vit",
        weights=weights_of("test_vit"),
        groups=((2, 3), (4, 6)),
        token_norm=token_norm,
    )
    pyramid = build_pyramid(settings)
    raw = build_pyramid(dataclasses.replace(settings, token_norm=False))
    assert (pyramid.fingerprint == raw.fingerprint) == (not token_norm)
    for level, (first, last) in zip(pyramid(pixels), settings.groups, strict=True):
        mean = torch.stack(tokens[first - 1 : last]).mean(dim=0)[:, 1:]  # without the class token
        wanted = mean.transpose(1, 2).reshape(2, 64, 10, 10)
        torch.testing.assert_close(level, wanted, rtol=1e-4, atol=1e-4)


def test_blocks_after_the_last_one_needed_are_gone(weights_of: WeightsOf) -> None:
    weights = weights_of("test_vit")
    short = BackboneSettings(name="test_vit", weights=weights, groups=((1, 2),))
    names = pyramid_state(build_pyramid(short))
    assert {name.split(".")[1] for name in names if name.startswith("blocks.")} == {"0", "1"}


def test_pooling_is_that_of_the_paper(weights_of: WeightsOf) -> None:
    weights = weights_of("test_resnet")
    plain = build_pyramid(BackboneSettings(name="test_resnet", weights=weights))
    pooled = build_pyramid(BackboneSettings(name="test_resnet", weights=weights, pool=True))
    assert pooled.strides == (8, 16, 32, 32)
    pixels = pixels_of(64, 64)
    *finer, last = plain(pixels)
    expected = [avg_pool2d(level, 3, stride=2, padding=1) for level in finer] + [last]
    for level, wanted in zip(pooled(pixels), expected, strict=True):
        assert torch.equal(level, wanted)


def test_a_transformer_is_never_pooled(weights_of: WeightsOf) -> None:
    weights = weights_of("test_vit")
    plain, asked = (
        build_pyramid(
            BackboneSettings(name="test_vit", weights=weights, groups=((1, 2), (3, 5)), pool=pool)
        )
        for pool in (False, True)
    )
    assert asked.strides == plain.strides
    assert asked.fingerprint == plain.fingerprint


def test_the_fingerprint_follows_all_that_changes_the_features(
    weights_of: WeightsOf, tmp_path: Path
) -> None:
    state = random_state("test_resnet")
    state["conv1.0.weight"][0, 0, 0, 0] += 1e-3
    save_file(state, tmp_path / "other.safetensors")
    weights = weights_of("test_resnet")
    variants: list[dict[str, Any]] = [
        {"weights": weights},
        {"weights": weights, "pool": True},
        {"weights": weights, "maps": (1, 2, 3)},
        {"weights": str(tmp_path / "other.safetensors")},
    ]
    built = [build_pyramid(BackboneSettings(name="test_resnet", **v)) for v in variants]
    prints = {pyramid.fingerprint for pyramid in built}
    assert len(prints) == len(variants)
    repeated = build_pyramid(BackboneSettings(name="test_resnet", weights=weights))
    assert repeated.fingerprint == built[0].fingerprint


def test_building_leaves_the_random_state_alone(weights_of: WeightsOf) -> None:
    weights = weights_of("test_resnet")
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    build_pyramid(BackboneSettings(name="test_resnet", weights=weights))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet19", "resnet18"),
        ("embeded", "embedded"),
        ("resnet50.a1_in2k", r"resnet50\.a1_in1k"),
        ("hf-hub:timm/resnet18", "resnet18"),
        ("../../etc/passwd", "use"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(SettingsError, match=near):
        build_pyramid(BackboneSettings(name=name))


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("test_resnet", {"maps": (1, 5)}, "no stage 5; its stages are 0 to 4"),
        ("test_vit", {"groups": ((1, 7),)}, "no block 7; its blocks are 1 to 6"),
        ("test_vit", {"maps": (1,)}, "choose groups"),
        ("test_resnet", {"token_norm": True}, "no plain vision transformer"),
    ],
)
def test_maps_that_do_not_exist_are_refused(
    name: str, values: dict[str, Any], words: str, weights_of: WeightsOf
) -> None:
    with pytest.raises(SettingsError, match=words):
        build_pyramid(BackboneSettings(name=name, weights=weights_of(name), **values))


def refused_size(pyramid: AbstractPyramid, height: int, width: int) -> str:
    with pytest.raises(SettingsError) as caught:
        pyramid.shapes(height, width)
    return str(caught.value)


def test_sizes_that_a_network_cannot_take_are_refused(weights_of: WeightsOf) -> None:
    def built(name: str, groups: tuple[tuple[int, int], ...] = ((1, 2),)) -> AbstractPyramid:
        return build_pyramid(BackboneSettings(name=name, weights=weights_of(name), groups=groups))

    vit = built("test_vit")
    assert "height of pictures, 50" in refused_size(vit, 50, 64)
    assert "nearest allowed is 48 or 64" in refused_size(vit, 50, 64)
    assert "width of pictures, 7" in refused_size(vit, 64, 7)
    assert "nearest allowed is 16." in refused_size(vit, 64, 7)
    assert "160x160 only" in refused_size(built("test_coatnet"), 128, 160)
    assert "at least 32 pixels" in refused_size(built("test_resnet"), 31, 64)


def test_tensors_that_do_not_fit_are_refused_by_name(weights_of: WeightsOf) -> None:
    settings = BackboneSettings(name="test_resnet", weights=weights_of("test_resnet"))
    state = pyramid_state(build_pyramid(settings))
    state["layer1.0.conv1.weight"] = torch.zeros(1)
    del state["bn1.bias"]
    with pytest.raises(WeightsError, match=r"bn1.bias is missing; layer1.0.conv1.weight is \[1\]"):
        restore_pyramid(settings, state)


def test_a_strange_tensor_in_a_bundle_is_refused(weights_of: WeightsOf) -> None:
    settings = BackboneSettings(name="test_resnet", weights=weights_of("test_resnet"))
    state = pyramid_state(build_pyramid(settings)) | {"layer9.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match=r"layer9\.weight is not known"):
        restore_pyramid(settings, state)
