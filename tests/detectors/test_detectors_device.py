"""Nothing stays behind on the processor: scores and losses are computed where the features are.

The device is a pretended GPU: its tensors have shapes, types and a device, and torch refuses to
compute with two of them that lie in different places.
"""

from collections.abc import Callable

import pytest
import torch
from detector_forms import FORMS, ready
from hgad_forms import FORMS as HGAD_FORMS
from hgad_forms import ready as ready_hgad
from lsr_samples import made_lsr
from lsr_samples import made_maps as made_pictures
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from normalis.detectors.contract import AbstractDetector
from normalis.detectors.records import Batch
from small_world import made_maps

DETECTORS: dict[str, Callable[[], AbstractDetector]] = {
    **{f"vqflow, {name}": lambda form=form: ready(form) for name, form in FORMS.items()},
    **{
        f"compiled, {name}": lambda form=form: ready(form).compile() for name, form in FORMS.items()
    },
    **{f"hgad, {name}": lambda name=name: ready_hgad(name) for name in HGAD_FORMS},
    **{
        f"compiled hgad, {name}": lambda name=name: ready_hgad(name).compile()
        for name in ("default", "levels")
    },
}


def pretended_gpu() -> FakeTensorMode:
    shapes = ShapeEnv(allow_scalar_outputs=True, allow_dynamic_output_shape_ops=True)
    return FakeTensorMode(allow_non_fake_inputs=True, shape_env=shapes)


def moved(detector: AbstractDetector) -> AbstractDetector:
    """The detector on the GPU; `to` cannot exchange real tensors for pretended ones."""
    for module in detector.modules():
        for name, value in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(there(value), requires_grad=value.requires_grad))
        for name, value in module.named_buffers(recurse=False):
            setattr(module, name, there(value))
    return detector


def there(value: Tensor) -> Tensor:
    return torch.empty(value.shape, dtype=value.dtype, device="cuda")


@pytest.mark.parametrize("name", DETECTORS)
def test_scores_are_computed_where_the_features_are(name: str) -> None:
    detector = DETECTORS[name]()
    with pretended_gpu(), torch.no_grad():
        scores = moved(detector).score([there(x) for x in made_maps(2)])
        places = {value.device.type for value in (scores.maps, scores.image, scores.concept)}
    assert places == {"cuda"}


@pytest.mark.parametrize("name", [name for name in DETECTORS if "compiled" not in name])
def test_losses_are_computed_where_the_features_are(name: str) -> None:
    detector = DETECTORS[name]().train()
    with pretended_gpu():
        losses = moved(detector).loss(Batch([there(x) for x in made_maps(2)]))
        assert losses.total.device.type == "cuda"


@pytest.mark.parametrize("stage", ["autoencoder", "prior"])
def test_both_stages_of_lsr_are_learned_where_the_pictures_are(stage: str) -> None:
    detector = made_lsr()
    detector.enter(stage)
    with pretended_gpu():
        losses = moved(detector).loss(Batch([there(x) for x in made_pictures(2)]))
        assert losses.total.device.type == "cuda"


def test_a_tensor_left_behind_is_noticed() -> None:
    detector = ready(FORMS["default"])
    with pretended_gpu(), torch.no_grad(), pytest.raises(RuntimeError, match="device"):
        detector.score([there(x) for x in made_maps(2)])
