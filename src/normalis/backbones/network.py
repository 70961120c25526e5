"""The bare network behind a pyramid: timm's, by name, with weights checked before they go in.

timm is imported where it is used, because that alone takes seconds which `--help` need not.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from normalis.backbones.weights import mismatches
from normalis.errors import SettingsError, WeightsError

__all__ = ["Anatomy", "check_name", "create_network", "fill", "load_weights", "prune"]

SHOWN = 3


@dataclass(frozen=True)
class Anatomy:
    """What is known of a network before it runs.

    Attributes:
        name: the architecture, perhaps with a tag.
        channels: channels of each stage or block.
        strides: pixels for one position of each stage or block.
        mean: subtracted from pixels in [0, 1].
        std: what the difference is divided by.
        fixed_size: the one (height, width) that the network takes, if it takes only one.
        head: prefixes of the classifier's tensors, which the features do not need.
        source: timm's record of where the weights are published.
    """

    name: str
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fixed_size: tuple[int, int] | None
    head: tuple[str, ...]
    source: Mapping[str, Any]

    @property
    def is_plain_transformer(self) -> bool:
        """Whether every block works at one stride, so that maps are taken by groups of blocks."""
        return len(self.strides) > 1 and len(set(self.strides)) == 1


def check_name(name: str) -> None:
    """Refuse a name that timm does not know.

    Raises:
        SettingsError: with the nearest names.
    """
    import timm

    try:
        known = timm.is_model(name) and bool(timm.models.get_pretrained_cfg(name))
    except RuntimeError:  # the architecture is known, its tag is not
        known = False
    if known:
        return
    names = ["embedded", *timm.list_models(), *timm.list_models(pretrained=True)]
    near = get_close_matches(name, names, n=SHOWN, cutoff=0.5)
    advice = f"did you mean {' or '.join(near)}?" if near else 'use "embedded" or a timm name.'
    raise SettingsError(f'There is no backbone "{name}"; {advice}')


def create_network(name: str) -> tuple[nn.Module, Anatomy]:
    """Build timm's network without its weights; the global random state is left as it was.

    Raises:
        SettingsError: the network cannot give feature maps of RGB pictures.
    """
    with torch.random.fork_rng(devices=[]):
        network, is_flexible = _instantiate(name)
    record: Mapping[str, Any] = network.pretrained_cfg  # pyright: ignore[reportAssignmentType]
    channels, *size = record["input_size"]
    if channels != 3 or not hasattr(network, "forward_intermediates"):
        raise SettingsError(f'The backbone "{name}" cannot give feature maps of RGB pictures.')
    info: Any = network.feature_info
    classifier = record.get("classifier") or ()
    return network, Anatomy(
        name=name,
        channels=tuple(stage["num_chs"] for stage in info),
        strides=tuple(stage["reduction"] for stage in info),
        mean=tuple(record["mean"]),
        std=tuple(record["std"]),
        fixed_size=(size[0], size[1])
        if record.get("fixed_input_size") and not is_flexible
        else None,
        head=(classifier,) if isinstance(classifier, str) else tuple(classifier),
        source=record,
    )


def prune(network: nn.Module, indices: tuple[int, ...]) -> None:
    """Drop, in place, the head and every stage or block after the last one needed."""
    network.prune_intermediate_layers(list(indices), prune_norm=True, prune_head=True)  # pyright: ignore[reportCallIssue]


def load_weights(
    network: nn.Module, anatomy: Anatomy, *, state: Mapping[str, Tensor], indices: tuple[int, ...]
) -> None:
    """Prune a whole network and fill it with published weights, in float32.

    timm's own conversion of older names is applied. The classifier may be missing or of any
    size; every other tensor must be known, and those the features need must be there and fit.

    Raises:
        WeightsError: with the first few tensors that do not fit.
    """
    known = set(network.state_dict())
    converted = _convert(network, anatomy, state)
    prune(network, indices)
    strange = [
        f"{key} is not known" for key in converted if key not in known | _heads(converted, anatomy)
    ]
    fill(network, converted, name=anatomy.name, strange=strange)


def fill(
    network: nn.Module,
    state: Mapping[str, Tensor],
    *,
    name: str,
    strange: list[str] | None = None,
) -> None:
    """Copy tensors into a network that has already been pruned.

    Raises:
        WeightsError: with the first few tensors that do not fit.
    """
    # Checkpoints of old torch versions lack this counter, which evaluation never reads.
    wanted = {
        key: tensor
        for key, tensor in network.state_dict().items()
        if key in state or not key.endswith("num_batches_tracked")
    }
    problems = mismatches(state, wanted) + (strange or [])
    if problems:
        more = f", and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise WeightsError(
            f'The weights do not fit the backbone "{name}": '
            f"{'; '.join(problems[:SHOWN])}{more}. Give the weights of this architecture, or "
            "name the architecture of these weights."
        )
    network.load_state_dict({key: state[key] for key in wanted}, strict=False)


def _instantiate(name: str) -> tuple[nn.Module, bool]:
    """Build the network, open to pictures of any size where its architecture can be."""
    import timm

    try:
        return timm.create_model(name, pretrained=False, dynamic_img_size=True), True
    except TypeError:  # the usual case: a network without such a setting
        return timm.create_model(name, pretrained=False), False


def _heads(state: Mapping[str, Tensor], anatomy: Anatomy) -> set[str]:
    prefixes = tuple(f"{head}." for head in anatomy.head)
    return {key for key in state if key.startswith(prefixes)}


def _convert(
    network: nn.Module, anatomy: Anatomy, state: Mapping[str, Tensor]
) -> Mapping[str, Tensor]:
    """Apply the conversion that timm keeps beside the architecture, if there is one."""
    import timm

    architecture = anatomy.name.split(".", maxsplit=1)[0]
    home = importlib.import_module(timm.model_entrypoint(architecture).__module__)
    convert = getattr(home, "checkpoint_filter_fn", None)
    if convert is None:
        return state
    try:
        return convert(dict(state), network)
    except Exception as error:  # foreign tensors can trip timm's conversion in any way
        raise WeightsError(
            f'The weights do not fit the backbone "{anatomy.name}"; give the weights of this '
            "architecture, or name the architecture of these weights."
        ) from error
