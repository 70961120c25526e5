"""The two backbones of the main job, with their real weights on real pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import ImageNetInfo  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor, nn

from normalis.backbones.build import build_pyramid, pyramid_state, restore_pyramid
from normalis.backbones.settings import BackboneSettings
from normalis.backbones.weights import embedded_weights, read_weights

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def pictures(folder: Path, *, size: int, count: int) -> Tensor:
    stack: list[np.ndarray] = []
    for path in sorted(folder.glob("*.jpg"))[:count]:
        with Image.open(path) as image:
            side = min(image.size)
            left, top = (image.width - side) // 2, (image.height - side) // 2
            square = image.convert("RGB").crop((left, top, left + side, top + side))
        stack.append(np.asarray(square.resize((size, size), Image.Resampling.LANCZOS)))
    return torch.from_numpy(np.stack(stack)).permute(0, 3, 1, 2).float() / 255


@pytest.fixture(scope="module")
def classifier() -> nn.Module:
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    network.load_state_dict(embedded_weights(network.state_dict()))
    return network.eval()


def probabilities(
    classifier: nn.Module, pixels: Tensor, scaling: tuple[tuple[float, ...], tuple[float, ...]]
) -> Tensor:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in scaling)
    with torch.inference_mode():
        return classifier((pixels - mean) / std).softmax(dim=1)


def test_the_embedded_network_recognises_things_at_its_own_scaling(
    classifier: nn.Module, shared: Path
) -> None:
    pyramid = build_pyramid(BackboneSettings())
    state = dict(pyramid.named_buffers())
    assert state["mean"].flatten().tolist() == state["std"].flatten().tolist() == [0.5] * 3
    confidence = {HALF: 0.0, IMAGENET: 0.0}
    for category in ("hazelnut", "cookie", "cubes"):
        folder = shared / "data" / "demo" / category / "train" / "good"
        pixels = pictures(folder, size=224, count=6)
        for scaling in confidence:
            top = probabilities(classifier, pixels, scaling).amax(dim=1)
            confidence[scaling] += top.mean().item() / 3
    assert confidence[HALF] > confidence[IMAGENET] + 0.03


def test_cookies_are_baked_goods(classifier: nn.Module, shared: Path) -> None:
    folder = shared / "data" / "demo" / "cookie" / "train" / "good"
    mean = probabilities(classifier, pictures(folder, size=224, count=8), HALF).mean(dim=0)
    info = ImageNetInfo()
    names = [info.index_to_description(int(i)).split(",")[0] for i in mean.topk(3).indices]
    assert {"dough", "bagel"} & set(names), names


def test_the_pyramid_is_the_classifiers_own_trunk(classifier: nn.Module, shared: Path) -> None:
    folder = shared / "data" / "demo" / "hazelnut" / "train" / "good"
    pixels = pictures(folder, size=128, count=2)
    seen: list[Tensor] = []
    stages = classifier.get_submodule("blocks")

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        seen.append(output)

    handle = stages.register_forward_hook(keep)
    probabilities(classifier, pixels, HALF)
    handle.remove()
    last = build_pyramid(BackboneSettings())(pixels)[-1]
    torch.testing.assert_close(last, seen[0], rtol=1e-4, atol=1e-4)


def test_dinov2_gives_the_means_of_its_blocks(shared: Path) -> None:
    path = shared / "weights" / "vit_small_patch14_dinov2.safetensors"
    settings = BackboneSettings(name="vit_small_patch14_dinov2", weights=str(path))
    pyramid = build_pyramid(settings)
    assert pyramid.channels == (384, 384)
    assert pyramid.strides == (14, 14)
    folder = shared / "data" / "demo" / "hazelnut" / "train" / "good"
    pixels = pictures(folder, size=112, count=2)
    reference: Any = timm.create_model(settings.name, pretrained=False, dynamic_img_size=True)
    reference.eval().load_state_dict(read_weights(path))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in IMAGENET)
    with torch.inference_mode():
        blocks = reference.get_intermediate_layers(
            (pixels - mean) / std, n=list(range(12)), reshape=True, norm=False
        )
    wanted = [torch.stack(blocks[2:6]).mean(dim=0), torch.stack(blocks[6:12]).mean(dim=0)]
    for level, expected in zip(pyramid(pixels), wanted, strict=True):
        assert level.shape == (2, 384, 8, 8)
        torch.testing.assert_close(level, expected, rtol=1e-3, atol=1e-3)
    restored = restore_pyramid(settings, pyramid_state(pyramid))
    assert restored.fingerprint == pyramid.fingerprint
