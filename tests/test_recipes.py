"""Recipes: every preset builds, and every mistake is one clear line."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from normalis.detectors.build import build_detector
from normalis.detectors.contract import PictureShapes
from normalis.detectors.hgad.build import build_hgad
from normalis.detectors.hgad.level import MixtureLevel
from normalis.detectors.hgad.settings import HGADSettings
from normalis.detectors.records import Batch
from normalis.detectors.vqflow.build import build_vqflow
from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.errors import SettingsError
from normalis.presets import PRESETS, preset
from normalis.recipes import (
    Recipe,
    parse_assignment,
    read_recipe,
    recipe_from,
    recipe_of,
)
from small_world import FOUR_MAPS, TWO_MAPS, made_maps

CONVNEXT = PictureShapes((384, 384), ((128, 48, 48), (256, 24, 24), (512, 12, 12), (1024, 12, 12)))
PIXELS = PictureShapes((96, 96), ((3, 96, 96),))
FLOWS = [name for name in PRESETS if preset(name).method_name != "lsr"]
RESTORERS = [name for name in PRESETS if preset(name).method_name == "lsr"]
SMALL = {
    "vqflow": {"hidden": 8, "prototype": 8, "patterns": 16, "position_width": 8, "concepts": 4},
    "hgad": {"levels": [], "hidden": 8, "descriptor": 8, "position_width": 8, "blocks": 2},
}
EFFICIENTNET = PictureShapes((1024, 1024), ((200, 64, 64), (200, 32, 32), (200, 16, 16)))


def message(base: Recipe, overrides: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        recipe_from(base, overrides)
    text = str(caught.value)
    assert "\n" not in text
    return text


# --- presets ---


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_names_itself_and_survives_json(name: str) -> None:
    recipe = preset(name)
    assert recipe.preset == name
    assert recipe_of(json.loads(json.dumps(recipe.to_tree()))) == recipe


@pytest.mark.parametrize("shapes", [FOUR_MAPS, TWO_MAPS], ids=["four maps", "two maps"])
@pytest.mark.parametrize("name", FLOWS)
def test_every_preset_builds_trains_and_scores(name: str, shapes: PictureShapes) -> None:
    recipe = preset(name)
    recipe = recipe_from(recipe, {recipe.method_name: SMALL[recipe.method_name]})
    if recipe.method_name == "vqflow" and shapes is TWO_MAPS:
        recipe = recipe_from(recipe, {"vqflow": {"blocks": [1]}})
    detector = build_detector(recipe.method, shapes, concepts=3, seed=0)
    maps = made_maps(12, shapes)
    detector.train()
    detector.initialise(lambda: iter([maps]), seed=0)
    detector.loss(Batch(maps)).total.backward()
    detector.eval()
    detector.set_scale([maps])
    scores = detector.score(maps)
    assert scores.maps.isfinite().all()
    assert scores.image.shape == (12,)


@pytest.mark.parametrize("name", RESTORERS)
def test_every_preset_of_restoration_does_too(name: str) -> None:
    recipe = preset(name)
    assert recipe.backbone.name == "pixels"
    small: dict[str, Any] = {"widths": [4, 4, 4], "codes": 8, "prior_width": 8, "prior_depth": 1}
    recipe = recipe_from(recipe, {"lsr": {**small, "blocks": 1, "restorations": 2}})
    detector = build_detector(recipe.method, PIXELS, concepts=1, seed=0)
    maps = [torch.rand(2, 3, 96, 96)]
    detector.train()
    detector.initialise(lambda: iter([maps]), seed=0)
    detector.loss(Batch(maps)).total.backward()
    detector.eval()
    detector.set_scale([maps])
    assert detector.score(maps).maps.shape == (2, 96, 96)


def test_the_baselines_of_lsr_learn_as_it_does() -> None:
    """The same autoencoder, pictures and schedule; one departs by its latent, both by the score."""
    lsr, vqvae, vae = (preset(name) for name in ("lsr", "vqvae", "vae"))
    assert replace(vqvae, preset="lsr", method=lsr.method) == lsr
    assert replace(vae, preset="lsr", method=lsr.method) == lsr
    assert replace(vqvae.method, score="restoration", grain=1.0) == lsr.method
    assert replace(vae.method, latent="codes") == vqvae.method


def test_the_paper_preset_is_the_published_model() -> None:
    """About 309 M parameters at full width, over ConvNeXtV2-B at 384 pixels (METHODS §1.4)."""
    recipe = preset("vqflow-paper")
    assert isinstance(recipe.method, VQFlowSettings)
    with torch.device("meta"):
        detector = build_vqflow(recipe.method, CONVNEXT, concepts=32, seed=0)
    count = sum(p.numel() for p in detector.parameters())
    assert count == pytest.approx(309e6, rel=0.05)
    flows = [sum(p.numel() for p in flow.parameters()) for flow in detector.flows]
    assert flows == [pytest.approx(published, rel=0.02) for published in (26.5e6, 80.6e6, 179.6e6)]
    assert recipe.training.epochs == 60
    assert (recipe.preparation.height, recipe.preparation.width) == (384, 384)


def test_the_paper_preset_of_hgad_is_the_published_model() -> None:
    """4.8 M parameters a level beside its centres, and three sizes of one stage (METHODS §2.1)."""
    recipe = preset("hgad-paper")
    assert isinstance(recipe.method, HGADSettings)
    detector = build_hgad(recipe.method, EFFICIENTNET, concepts=15, seed=0)
    for level in detector.flows:
        assert isinstance(level, MixtureLevel)
        count = sum(p.numel() for p in level.flow.parameters())
        assert count == pytest.approx(4.8e6, rel=0.02)
        assert level.mixture.deltas.shape == (15, 9, 200)
    assert not detector.whitening
    assert not detector.memories
    assert not recipe.method.single_picture


def test_the_flow_preset_is_the_default_without_concepts_and_codes() -> None:
    flow, default = preset("flow"), preset("vqflow")
    assert replace(flow, preset="vqflow", method=default.method) == default
    assert isinstance(flow.method, VQFlowSettings)
    assert flow.method.condition == "none"


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="no preset 'vqflo'; did you mean 'vqflow'"):
        preset("vqflo")
    with pytest.raises(SettingsError, match="there are: vqflow, vqflow-paper, flow"):
        preset("zzz")


# --- overrides ---


def test_overrides_replace_what_they_name_and_nothing_else() -> None:
    recipe = recipe_from(Recipe(), {"training": {"epochs": 7}, "vqflow": {"blocks": [3, 4]}})
    assert recipe.training == replace(Recipe().training, epochs=7)
    assert recipe.method == replace(Recipe().method, blocks=(3, 4))
    assert recipe.calibration == Recipe().calibration
    assert recipe_from(Recipe(), {}) == Recipe()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"trainig": {}}, "There is no setting 'trainig'; did you mean 'training'?"),
        ({"training": {"epoch": 1}}, "'training.epoch'; did you mean 'training.epochs'?"),
        ({"vqflow": {"fussion": 1}}, "'vqflow.fussion'; did you mean 'vqflow.fusion'?"),
        ({"qqq": 1}, "there are: preset, backbone, preparation"),
        ({"training": 5}, "training is a group of settings, not a value."),
        ({"training": {"epochs": "many"}}, "training.epochs cannot be 'many': "),
        ({"training": {"epochs": 2.5}}, "training.epochs cannot be 2.5: "),
        ({"training": {"epochs": [1]}}, "training.epochs cannot be [1]: "),
        ({"vqflow": {"fusion": "perhaps"}}, "vqflow.fusion cannot be 'perhaps': "),
        ({"vqflow": {"blocks": [1, "x"]}}, "vqflow.blocks.1 cannot be 'x': "),
        ({"vqflow": {"condition": "codes"}}, "'vq', 'position' or 'none'"),
        ({"preparation": {"fit": "stretch"}}, "'squash', 'pad' or 'crop'"),
        ({"training": {"epochs": 0}}, "training.epochs is 0; at least 1."),
        ({"training": {"seed": -1}}, "training.seed is -1; it lies in [0, 2**32)."),
        ({"training": {"clip": float("nan")}}, "training.clip is nan; more than 0."),
        ({"training": {"warmup": 1.0}}, "training.warmup is 1.0; it lies in [0, 1)."),
        ({"training": {"weight_decay": -0.1}}, "training.weight_decay is -0.1; 0 or more."),
        ({"training": {"clip_by": "size"}}, "'norm' or 'value'"),
        ({"vqflow": {"kernel": 5}}, "vqflow.kernel is 5; it can be 1 or 3"),
        ({"calibration": {"far": 1.5}}, "far"),
        (
            {"training": {"validation": 0.5}, "calibration": {"share": 0.5}},
            "training.validation and calibration.share hold out 1 of the pictures",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(overrides: dict[str, Any], words: str) -> None:
    assert words in message(Recipe(), overrides)


def test_the_settings_of_an_unknown_method_are_refused() -> None:
    tree = Recipe().to_tree()
    method = tree.pop("vqflow")
    with pytest.raises(SettingsError, match=r"settings of 0 methods, not of one \(vqflow"):
        recipe_of({**tree, "vqflaw": method})


# --- files and assignments ---


def test_a_toml_file_holds_overrides(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[training]\nepochs = 4\n[backbone]\nname = "resnet18"\ngroups = [[1, 2]]\n')
    recipe = recipe_from(Recipe(), read_recipe(path))
    assert (recipe.training.epochs, recipe.backbone.name) == (4, "resnet18")
    assert recipe.backbone.groups == ((1, 2),)


@pytest.mark.parametrize(
    "content", [b"epochs 4", b"\xff\xfe", b"a = " + b"[" * 5000, b"a = " + b"1" * 5000]
)
def test_a_file_that_is_not_toml_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"recipe\.toml: not a TOML file"):
        read_recipe(path)


def test_a_missing_file_or_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(SettingsError, match="cannot be read"):
            read_recipe(path)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("training.epochs=5", {"training": {"epochs": 5}}),
        (" training.epochs = 5 ", {"training": {"epochs": 5}}),
        ("backbone.name=resnet18", {"backbone": {"name": "resnet18"}}),
        ('backbone.name="a=b"', {"backbone": {"name": "a=b"}}),
        ("backbone.weights=/a/b=c.pth", {"backbone": {"weights": "/a/b=c.pth"}}),
        ("vqflow.blocks=[2, 5, 8]", {"vqflow": {"blocks": [2, 5, 8]}}),
        ("vqflow.fusion=false", {"vqflow": {"fusion": False}}),
        ("training.learning_rate=1e-4", {"training": {"learning_rate": 1e-4}}),
        ("backbone.name=", {"backbone": {"name": ""}}),
        ("backbone.name=1\nother = 2", {"backbone": {"name": "1\nother = 2"}}),
        ("preset=flow", {"preset": "flow"}),
    ],
)
def test_an_assignment_is_a_name_and_a_toml_value_or_text(text: str, tree: dict[str, Any]) -> None:
    assert parse_assignment(text) == tree


@pytest.mark.parametrize("text", ["", "epochs", "=5", "  =5"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="NAME=VALUE"):
        parse_assignment(text)


# --- fuzz ---

NAMES = [
    *(
        f"{group}.{name}"
        for group, tree in Recipe().to_tree().items()
        if group != "preset"
        for name in tree
    ),
    "training",
    "training.epochs.more",
    "preset",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=5,
)


@given(st.sampled_from(NAMES), VALUES)
def test_no_value_does_anything_but_fit_or_be_refused(name: str, value: object) -> None:
    tree: Any = value
    for part in reversed(name.split(".")):
        tree = {part: tree}
    with suppress(SettingsError):
        recipe = recipe_from(Recipe(), tree)
        assert recipe_from(Recipe(), recipe.to_tree()) == recipe or "nan" in repr(recipe)


@given(
    st.text(max_size=30) | st.builds("{}={}".format, st.sampled_from(NAMES), st.text(max_size=12))
)
def test_no_assignment_does_anything_but_fit_or_be_refused(text: str) -> None:
    with suppress(SettingsError):
        recipe_from(Recipe(), parse_assignment(text))


@given(st.binary(max_size=60))
def test_no_file_does_anything_but_fit_or_be_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    path.write_bytes(content)
    with suppress(SettingsError):
        recipe_from(Recipe(), read_recipe(path))
