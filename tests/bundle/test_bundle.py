"""Bundles: what is loaded is what was saved, and nothing altered or foreign is loaded at all."""

import errno
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import normalis.bundle.save
from normalis.backbones.build import build_pyramid, pyramid_state
from normalis.bundle import (
    BACKBONE,
    DATA,
    DETECTOR,
    MANIFEST,
    SCHEMA,
    Manifest,
    PictureCounts,
    load_bundle,
    read_manifest,
    write_bundle,
)
from normalis.calibration import Calibration
from normalis.detectors.build import build_detector
from normalis.detectors.vqflow.build import PictureShapes
from normalis.errors import BundleError
from normalis.recipes import Recipe
from normalis.scoring import MapRange, Result, Scorer
from small_world import small_recipe, write_pictures, write_weights

CPU = torch.device("cpu")
FILES = (DETECTOR, BACKBONE, DATA, MANIFEST)


def saved(folder: Path, recipe: Recipe) -> Scorer:
    """Save a detector with made moments; the scorer as it was before."""
    pyramid = build_pyramid(recipe.backbone)
    shapes = PictureShapes((32, 32), pyramid.shapes(32, 32))
    detector = build_detector(recipe.vqflow, shapes, concepts=3, seed=0)
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(12, *shape, generator=generator) for shape in shapes.maps]
    detector.train()
    detector.initialise(lambda: iter([maps]), seed=0)
    detector.eval()
    detector.set_scale([maps])
    calibration = Calibration(far=0.25, scores=(0.1, 0.1 + 1e-16, 1 / 3))
    manifest = Manifest(
        version="0.0",
        recipe=recipe.to_tree(),
        size=shapes.size,
        maps=shapes.maps,
        concepts=3,
        concept_pictures=(4, 4, 4),
        pictures=PictureCounts(train=12, validation=0, calibration=3, skipped=0),
        data="d" * 64,
        calibration=calibration.to_json(),
        map_range=(0.1, 1 / 3),
        files={},
    )
    write_bundle(
        folder,
        manifest,
        detector=detector.state_dict(),
        backbone=pyramid_state(pyramid),
        digests={"train": ["a" * 64]},
    )
    return Scorer(
        pyramid,
        recipe.preparation,
        detector=detector,
        calibration=calibration,
        map_range=MapRange(0.1, 1 / 3),
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scorer, list[Path]]:
    """A bundle, the scorer that was saved in it, and pictures; the weights' file is gone."""
    folder = tmp_path_factory.mktemp("bundle")
    weights = write_weights(folder)
    scorer = saved(folder / "model", small_recipe(weights))
    weights.unlink()
    pictures = sorted(write_pictures(folder / "pictures", 5).iterdir())
    return folder / "model", scorer, pictures


@pytest.fixture
def model(world: tuple[Path, Scorer, list[Path]], tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(world[0], tmp_path / "model"))


def refusal(model: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_bundle(model, device=CPU)
    text = str(caught.value)
    assert "\n" not in text
    assert str(model) in text
    return text


def reseal(model: Path, **changes: Any) -> None:
    """Change the manifest as one who knows how the seal is made."""
    manifest = replace(read_manifest(model), **changes)
    (model / MANIFEST).write_text(manifest.to_text())


def answers(scorer: Scorer, pictures: list[Path]) -> list[Result]:
    found = list(scorer.score(pictures, paper=True))
    return [answer for answer in found if isinstance(answer, Result)]


# --- round trip ---


def test_a_loaded_model_answers_exactly_as_the_saved_one(
    world: tuple[Path, Scorer, list[Path]],
) -> None:
    """Also without the file that the backbone's weights once came from."""
    folder, before, pictures = world
    after = load_bundle(folder, device=CPU)
    pairs = list(zip(answers(before, pictures), answers(after, pictures), strict=True))
    assert len(pairs) == 5
    for old, new in pairs:
        assert (old.map == new.map).all()
        assert old.paper is not None
        assert new.paper is not None
        assert (old.paper.additive == new.paper.additive).all()
        assert (old.score, old.concept, old.decision, old.box, old.peak) == (
            new.score,
            new.concept,
            new.decision,
            new.box,
            new.peak,
        )
    assert after.calibration == before.calibration, "floats come back exactly"
    assert after.map_range == before.map_range
    assert after.pyramid.fingerprint == before.pyramid.fingerprint
    assert not any(p.requires_grad for p in after.detector.parameters())


def test_a_bundle_is_json_and_safetensors(world: tuple[Path, Scorer, list[Path]]) -> None:
    assert sorted(path.name for path in world[0].iterdir()) == sorted(FILES)
    manifest = json.loads((world[0] / MANIFEST).read_text())
    assert manifest["schema"] == SCHEMA
    assert set(manifest["files"]) == set(FILES) - {MANIFEST}


def test_nothing_executable_is_loaded(
    world: tuple[Path, Scorer, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was read")

    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr("pickle.load", refuse)
    monkeypatch.setattr("pickle.loads", refuse)
    load_bundle(world[0], device=CPU)


def test_the_same_model_is_the_same_bytes(tmp_path: Path) -> None:
    recipe = small_recipe(write_weights(tmp_path))
    for name in ("a", "b"):
        saved(tmp_path / name, recipe)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


# --- damage ---


@pytest.mark.parametrize("where", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_refused_with_the_files_name(model: Path, name: str, where: float) -> None:
    path = model / name
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= 1
    path.write_bytes(content)
    assert str(path) in refusal(model)


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_is_refused_with_its_name(model: Path, name: str) -> None:
    path = model / name
    path.write_bytes(path.read_bytes()[:-5])
    assert str(path) in refusal(model)


@pytest.mark.parametrize("name", FILES[:-1])
def test_a_missing_file_is_refused_with_its_name(model: Path, name: str) -> None:
    (model / name).unlink()
    assert f"{model / name}: is missing" in refusal(model)
    (model / name).mkdir()
    assert f"{model / name}: is missing" in refusal(model)


def test_a_folder_without_a_manifest_is_no_model(model: Path, tmp_path: Path) -> None:
    (model / MANIFEST).unlink()
    assert "not a normalis model" in refusal(model)
    assert "not a normalis model" in refusal(tmp_path / "nowhere")
    (tmp_path / "file").write_text("{}")
    assert "not a normalis model" in refusal(tmp_path / "file")


def test_a_newer_format_is_refused(model: Path) -> None:
    tree = json.loads((model / MANIFEST).read_text())
    tree["schema"] = SCHEMA + 1
    (model / MANIFEST).write_text(json.dumps(tree))
    text = refusal(model)
    assert f"format {SCHEMA + 1}" in text
    assert "install a newer normalis" in text


@pytest.mark.parametrize("name", ["version", "recipe", "calibration", "map_range", "files", "seal"])
def test_a_changed_manifest_is_refused(model: Path, name: str) -> None:
    tree = json.loads((model / MANIFEST).read_text())
    tree[name] = {"far": 0.5}
    (model / MANIFEST).write_text(json.dumps(tree))
    assert f"{model / MANIFEST}: was changed" in refusal(model)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"null", b'{"kind": "other"}', b"\xff", b"{" * 10, b"[" * 100_000],
)
def test_a_foreign_manifest_is_refused(model: Path, content: bytes) -> None:
    (model / MANIFEST).write_bytes(content)
    assert str(model / MANIFEST) in refusal(model)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40), st.integers(0, 2000))
def test_no_manifest_does_anything_but_load_or_be_refused(
    world: tuple[Path, Scorer, list[Path]], tmp_path: Path, content: bytes, at: int
) -> None:
    original = (world[0] / MANIFEST).read_bytes()
    changed = original[:at] + content + original[at + len(content) :]
    (tmp_path / MANIFEST).write_bytes(changed)
    if json_of(changed) == json_of(original):
        assert read_manifest(tmp_path) == read_manifest(world[0])
    else:
        with pytest.raises(BundleError):
            read_manifest(tmp_path)


def json_of(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


# --- manifests by one who knows the seal ---


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/file", "..", "", "a/../b"])
def test_a_file_outside_the_bundle_is_not_touched(model: Path, name: str) -> None:
    (model.parent / "secret").write_text("mine")
    reseal(model, files={**read_manifest(model).files, name: "0" * 64})
    text = refusal(model)
    assert "lies outside the model" in text or "is missing" in text
    assert "sha256" not in text, "its content is not even compared"


@pytest.mark.parametrize("name", [DETECTOR, BACKBONE])
def test_weights_that_the_manifest_does_not_seal_are_refused(model: Path, name: str) -> None:
    files = {k: v for k, v in read_manifest(model).files.items() if k != name}
    reseal(model, files=files)
    assert f"does not name {name}" in refusal(model)


def test_weights_that_do_not_fit_the_recipe_are_refused(model: Path) -> None:
    recipe = read_manifest(model).recipe
    recipe["vqflow"]["hidden"] = 9
    reseal(model, recipe=recipe)
    assert "the weights do not fit the recipe" in refusal(model)


def test_a_setting_of_another_version_is_refused_by_name(model: Path) -> None:
    recipe = read_manifest(model).recipe
    recipe["vqflow"]["turbo"] = True
    reseal(model, recipe=recipe)
    assert "vqflow.turbo" in refusal(model)


def test_a_manifest_of_wrong_types_is_refused(model: Path) -> None:
    tree = json.loads((model / MANIFEST).read_text())
    del tree["seal"]
    tree["concepts"] = "three"
    seal = hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
    (model / MANIFEST).write_text(json.dumps({**tree, "seal": seal}))
    assert "concepts: " in refusal(model)


# --- writing ---


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(normalis.bundle.save, "save_file", full)
    with pytest.raises(BundleError, match=r"cannot be written: .*No space left"):
        saved(tmp_path / "model", small_recipe(write_weights(tmp_path)))
    assert not (tmp_path / "model" / MANIFEST).exists()
