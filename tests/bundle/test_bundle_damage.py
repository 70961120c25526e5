"""Nothing altered or foreign is loaded, and the file that is wrong is named."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from bundle_samples import World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from normalis.bundle import (
    BACKBONE,
    DATA,
    DETECTOR,
    MANIFEST,
    SCHEMA,
    load_bundle,
    picture_uses,
    read_manifest,
)
from normalis.errors import BundleError

CPU = torch.device("cpu")
FILES = (DETECTOR, BACKBONE, DATA, MANIFEST)


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


def forge(model: Path, name: str, value: Any) -> None:
    """The same with a value that the manifest itself would not take."""
    tree = json.loads((model / MANIFEST).read_text())
    tree[name] = value
    del tree["seal"]
    seal = hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()
    (model / MANIFEST).write_text(json.dumps({**tree, "seal": seal}))


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
    world: World, tmp_path: Path, content: bytes, at: int
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


@pytest.mark.parametrize("name", [DETECTOR, BACKBONE, DATA])
def test_a_file_that_the_manifest_does_not_seal_is_refused(model: Path, name: str) -> None:
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
    forge(model, "concepts", "three")
    assert "concepts: " in refusal(model)


@pytest.mark.parametrize(
    ("name", "value"), [("size", [0, 0]), ("maps", []), ("maps", [[8, 0, 4]]), ("concepts", 0)]
)
def test_a_manifest_of_impossible_sizes_is_refused(model: Path, name: str, value: Any) -> None:
    forge(model, name, value)
    assert "is below 1" in refusal(model)


@pytest.mark.parametrize("content", ["", "[]", '{"train": 3}', '{"train": ["a", 3]}'])
def test_a_list_of_pictures_that_is_none_is_refused(model: Path, content: str) -> None:
    (model / DATA).write_text(content)
    with pytest.raises(BundleError, match=f"{model / DATA}: the list of pictures cannot be read"):
        picture_uses(model)
