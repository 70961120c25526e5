"""Weights: read as tensors only, from where the user says, and never fetched unasked."""

import importlib.util
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from backbone_samples import pixels_of, random_state
from huggingface_hub import hf_hub_download
from safetensors.torch import save_file
from torch import Tensor

from normalis.backbones import weights as weights_module
from normalis.backbones.build import build_pyramid
from normalis.backbones.settings import BackboneSettings
from normalis.backbones.weights import read_weights
from normalis.errors import WeightsError

NAME = "test_resnet"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the hubs empty caches, and fail whoever touches the network."""

    def refuse(*_: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    cached = partial(hf_hub_download, cache_dir=tmp_path / "hub")
    monkeypatch.setattr(weights_module, "hf_hub_download", cached)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    return tmp_path


def put_in_hub_cache(folder: Path, state: dict[str, Tensor]) -> None:
    home = folder / "hub" / f"models--timm--{NAME}.r160_in1k"
    revision = "0" * 40
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(revision)
    (home / "snapshots" / revision).mkdir(parents=True)
    save_file(state, home / "snapshots" / revision / "model.safetensors")


def fingerprint(path: Path) -> str:
    return build_pyramid(BackboneSettings(name=NAME, weights=str(path))).fingerprint


def test_both_kinds_of_file_and_wrapped_checkpoints_give_one_backbone(tmp_path: Path) -> None:
    state = random_state(NAME)
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "b.pth")
    wrapped = {"epoch": 3, "state_dict": {f"module.{key}": t for key, t in state.items()}}
    torch.save(wrapped, tmp_path / "c.pth")
    kinds = ("a.safetensors", "b.pth", "c.pth")
    assert len({fingerprint(tmp_path / kind) for kind in kinds}) == 1


def test_another_classifier_or_none_does_not_matter(tmp_path: Path) -> None:
    state = random_state(NAME)
    save_file(state, tmp_path / "whole.safetensors")
    save_file(state | {"fc.weight": torch.zeros(3, 96)}, tmp_path / "three.safetensors")
    headless = {key: t for key, t in state.items() if not key.startswith("fc.")}
    counters = {key for key in headless if key.endswith("num_batches_tracked")}
    assert counters
    old = {key: t for key, t in headless.items() if key not in counters}
    save_file(headless, tmp_path / "headless.safetensors")
    save_file(old, tmp_path / "old.safetensors")
    assert len({fingerprint(path) for path in tmp_path.iterdir()}) == 1


def test_half_precision_weights_run_in_float32(tmp_path: Path) -> None:
    state = {key: t.half() if t.is_floating_point() else t for key, t in random_state(NAME).items()}
    save_file(state, tmp_path / "half.safetensors")
    settings = BackboneSettings(name=NAME, weights=str(tmp_path / "half.safetensors"))
    maps = build_pyramid(settings)(pixels_of(64, 64))
    assert {level.dtype for level in maps} == {torch.float32}


def test_missing_weights_are_never_downloaded_and_three_ways_are_named(offline: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        build_pyramid(BackboneSettings(name=NAME))
    message = str(caught.value)
    assert f'"{NAME}"' in message
    assert "nothing is downloaded unasked" in message
    for way in ("hub cache beforehand", "--weights FILE", '"embedded"'):
        assert way in message
    assert not list(offline.rglob("*.safetensors"))


def test_a_download_that_fails_says_so(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def unreachable(*_: Any, local_files_only: bool, **__: Any) -> str:
        asked.append(local_files_only)
        raise ConnectionError("no route to host")

    monkeypatch.setattr(weights_module, "hf_hub_download", unreachable)
    with pytest.raises(WeightsError, match="could not be downloaded"):
        build_pyramid(BackboneSettings(name=NAME, download=True))
    assert set(asked) == {False}


def test_the_hub_cache_is_used(offline: Path) -> None:
    state = random_state(NAME)
    put_in_hub_cache(offline, state)
    save_file(state, offline / "same.safetensors")
    cached = build_pyramid(BackboneSettings(name=NAME))
    assert cached.fingerprint == fingerprint(offline / "same.safetensors")


def test_torchs_own_cache_is_used(offline: Path) -> None:
    path = offline / "torch" / "checkpoints" / "resnet18-5c106cde.pth"
    path.parent.mkdir(parents=True)
    torch.save({"weight": torch.ones(2)}, path)
    state = weights_module.hub_weights(
        "x", hub_id=None, filename=None, url=f"https://host/models/{path.name}", download=False
    )
    assert torch.equal(state["weight"], torch.ones(2))


class Payload:
    """A pickle that would create a file if anything executed it."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def test_code_in_a_weights_file_is_never_run(tmp_path: Path) -> None:
    target = tmp_path / "executed"
    torch.save({"a": torch.ones(1), "b": Payload(target)}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match=r"evil\.pth cannot be read"):
        read_weights(tmp_path / "evil.pth")
    assert not target.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("content", [b"", b"text, not tensors", b"\x80\x02}" * 30, b"PK\x03\x04"])
def test_a_foreign_file_is_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"foreign{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="foreign"):
        read_weights(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_truncated_file_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"short{suffix}"
    state = {"weight": torch.ones(1000)}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(WeightsError, match="damaged"):
        read_weights(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([torch.ones(1)], "no named tensors"),
        ({}, "no named tensors"),
        ({"a": torch.ones(1), "lr": 0.1}, "lr, which is not a tensor"),
        ({"a": torch.tensor([1.0, float("nan")])}, "infinite or NaN"),
    ],
)
def test_a_checkpoint_without_plain_finite_tensors_is_refused(
    content: Any, words: str, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match=words):
        read_weights(tmp_path / "odd.pth")


@pytest.mark.parametrize(
    ("name", "words"), [("none.pth", "does not exist"), ("x.onnx", "not a weights file")]
)
def test_a_missing_or_unknown_file_is_refused(name: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=words):
        read_weights(tmp_path / name)


def test_wrong_weights_name_the_first_few_misfits(tmp_path: Path) -> None:
    state = random_state(NAME)
    state["conv1.0.weight"] = torch.zeros(2, 2)
    for key in ("layer1.0.conv1.weight", "layer2.0.conv1.weight", "layer3.0.conv1.weight"):
        del state[key]
    save_file(state | {"extra": torch.zeros(1)}, tmp_path / "wrong.safetensors")
    with pytest.raises(WeightsError) as caught:
        fingerprint(tmp_path / "wrong.safetensors")
    message = str(caught.value)
    assert "layer1.0.conv1.weight is missing" in message
    assert "and 2 more" in message


def test_a_bigger_sibling_is_not_taken_in_part(tmp_path: Path) -> None:
    extra = {"layer4.7.conv1.weight": torch.zeros(1)}
    save_file(random_state(NAME) | extra, tmp_path / "bigger.safetensors")
    with pytest.raises(WeightsError, match=r"layer4\.7\.conv1\.weight is not known"):
        fingerprint(tmp_path / "bigger.safetensors")


def test_the_embedded_package_is_read_without_running_its_code() -> None:
    pyramid = build_pyramid(BackboneSettings())
    assert weights_module.EMBEDDED_PACKAGE not in sys.modules
    assert pyramid.channels == (24, 40, 112, 320)
    assert pyramid.strides == (4, 8, 16, 32)


def test_an_uninstalled_or_other_package_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(weights_module, "find_spec", lambda _: None)
    with pytest.raises(WeightsError, match=f"install {weights_module.EMBEDDED_PACKAGE}"):
        build_pyramid(BackboneSettings())
    (tmp_path / "models").mkdir()
    torch.save({"weight": torch.ones(1)}, tmp_path / "models" / "other.pth")
    spec = importlib.util.spec_from_file_location("other", tmp_path / "__init__.py")
    assert spec is not None
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(weights_module, "find_spec", lambda _: spec)
    with pytest.raises(WeightsError, match="does not hold the tensors of EfficientNet-Lite0"):
        build_pyramid(BackboneSettings())
