"""Bundles: what is loaded is what was saved, without a pickle and without the first weights."""

import errno
import json
from pathlib import Path

import pytest
import torch
from bundle_samples import World, saved

import normalis.bundle.save
from normalis.bundle import BACKBONE, DATA, DETECTOR, MANIFEST, SCHEMA, load_bundle, picture_uses
from normalis.bundle.manifest import read_manifest
from normalis.errors import BundleError
from normalis.results import Result
from normalis.scoring import Scorer
from small_world import small_recipe, write_weights

CPU = torch.device("cpu")
FILES = (DETECTOR, BACKBONE, DATA, MANIFEST)


def answers(scorer: Scorer, pictures: list[Path]) -> list[Result]:
    found = list(scorer.score(pictures, paper=True))
    return [answer for answer in found if isinstance(answer, Result)]


# --- round trip ---


def test_a_loaded_model_answers_exactly_as_the_saved_one(
    world: World,
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


def test_a_bundle_is_json_and_safetensors(world: World) -> None:
    assert sorted(path.name for path in world[0].iterdir()) == sorted(FILES)
    manifest = json.loads((world[0] / MANIFEST).read_text())
    assert manifest["schema"] == SCHEMA
    assert set(manifest["files"]) == set(FILES) - {MANIFEST}


def test_whoever_may_read_one_file_of_a_bundle_may_read_all(world: World) -> None:
    assert len({path.stat().st_mode for path in world[0].iterdir()}) == 1


def test_a_model_knows_its_pictures(world: World) -> None:
    assert picture_uses(world[0]) == {"a" * 64: "train"}


def test_nothing_executable_is_loaded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
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


# --- writing ---


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(normalis.bundle.save, "save_file", full)
    with pytest.raises(BundleError, match=r"cannot be written: .*No space left"):
        saved(tmp_path / "model", small_recipe(write_weights(tmp_path)))
    assert not (tmp_path / "model" / MANIFEST).exists()


def test_a_model_that_does_not_state_a_setting_is_refused(tmp_path: Path) -> None:
    """Today's default need not be what it was fitted with."""
    folder = tmp_path / "model"
    saved(folder, small_recipe(write_weights(tmp_path)))
    manifest = read_manifest(folder)
    del manifest.recipe["vqflow"]["memory"]
    (folder / MANIFEST).write_text(manifest.to_text(), encoding="utf-8")
    with pytest.raises(BundleError, match=r"does not state the setting vqflow\.memory"):
        load_bundle(folder, device=CPU)
