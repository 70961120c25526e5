"""From settings to a feature pyramid, and from a bundle's tensors back to the same one."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from normalis.backbones.network import (
    Anatomy,
    check_name,
    create_network,
    fill,
    load_weights,
    prune,
)
from normalis.backbones.pixels import PixelPyramid
from normalis.backbones.pyramid import AbstractPyramid
from normalis.backbones.settings import EMBEDDED, PIXELS, BackboneSettings
from normalis.backbones.timm_pyramid import TimmPyramid
from normalis.backbones.weights import embedded_weights, hub_weights, read_weights
from normalis.errors import SettingsError

__all__ = ["build_pyramid", "pyramid_state", "restore_pyramid"]

EMBEDDED_ARCHITECTURE = "tf_efficientnet_lite0"
LAST_STAGES = 4


def build_pyramid(settings: BackboneSettings) -> AbstractPyramid:
    """Build the pyramid with its published weights, on the CPU in float32.

    Raises:
        SettingsError: no such backbone (the nearest names are given), or it has no such maps.
        WeightsError: the weights are missing (with the three ways to supply them) or do not fit.
    """
    if settings.name == PIXELS:
        return PixelPyramid()
    network, anatomy, levels = _bare(settings)
    state = _published(settings, network, anatomy)
    load_weights(network, anatomy, state=state, indices=_indices(levels))
    return _pyramid(settings, network, anatomy, levels)


def pyramid_state(pyramid: AbstractPyramid) -> dict[str, Tensor]:
    """Return every tensor that the features need, contiguous and on the CPU, to be saved."""
    return {
        key.removeprefix("network."): tensor.detach().cpu().contiguous()
        for key, tensor in pyramid.state_dict().items()
    }


def restore_pyramid(settings: BackboneSettings, state: Mapping[str, Tensor]) -> AbstractPyramid:
    """Build the pyramid from saved tensors alone: the same features and fingerprint.

    Args:
        settings: those the pyramid was built with; where its weights once came from is ignored.
        state: what ``pyramid_state`` returned.

    Raises:
        SettingsError: no such backbone, or it has no such maps.
        WeightsError: the tensors do not fit the settings.
    """
    if settings.name == PIXELS:
        return PixelPyramid()
    network, anatomy, levels = _bare(settings)
    prune(network, _indices(levels))
    known = network.state_dict()
    strange = [f"{key} is not known" for key in state if key not in known]
    fill(network, state, name=anatomy.name, strange=strange)
    return _pyramid(settings, network, anatomy, levels)


def _pyramid(
    settings: BackboneSettings,
    network: nn.Module,
    anatomy: Anatomy,
    levels: tuple[tuple[int, ...], ...],
) -> AbstractPyramid:
    """The pyramid over a network whose weights are in."""
    return TimmPyramid(
        network,
        anatomy,
        levels=levels,
        pool=settings.pool,
        scales=settings.scales,
        token_norm=settings.token_norm,
    )


def _bare(settings: BackboneSettings) -> tuple[nn.Module, Anatomy, tuple[tuple[int, ...], ...]]:
    """Build the network without weights, and choose what is taken from it."""
    name = EMBEDDED_ARCHITECTURE if settings.name == EMBEDDED else settings.name
    check_name(name)
    network, anatomy = create_network(name)
    return network, anatomy, _levels(settings, anatomy)


def _published(
    settings: BackboneSettings, network: nn.Module, anatomy: Anatomy
) -> dict[str, Tensor]:
    """Read the weights from the package, the file or the hub cache, as the settings say."""
    if settings.name == EMBEDDED:
        return embedded_weights(network.state_dict())
    if settings.weights is not None:
        return read_weights(Path(settings.weights))
    url = anatomy.source.get("url")
    return hub_weights(
        settings.name,
        hub_id=anatomy.source.get("hf_hub_id"),
        filename=anatomy.source.get("hf_hub_filename"),
        url=url if isinstance(url, str) else None,
        download=settings.download,
    )


def _levels(settings: BackboneSettings, anatomy: Anatomy) -> tuple[tuple[int, ...], ...]:
    """Say, for each map, which stages or blocks (from 0) are averaged."""
    count = len(anatomy.channels)
    if anatomy.is_plain_transformer:
        return _block_groups(settings, anatomy, count)
    if settings.token_norm:
        raise SettingsError(
            f'The backbone "{anatomy.name}" is no plain vision transformer: it has no tokens for '
            "token_norm to normalise."
        )
    stages = settings.maps or tuple(range(max(0, count - LAST_STAGES), count))
    if stages[-1] >= count:
        raise SettingsError(
            f'The backbone "{anatomy.name}" has no stage {stages[-1]}; its stages are 0 to '
            f"{count - 1}, with strides {list(anatomy.strides)}."
        )
    return tuple((stage,) for stage in stages)


def _block_groups(
    settings: BackboneSettings, anatomy: Anatomy, count: int
) -> tuple[tuple[int, ...], ...]:
    if settings.maps:
        raise SettingsError(
            f'The backbone "{anatomy.name}" is a plain vision transformer: it has no stages to '
            "choose with maps; choose groups of its blocks instead."
        )
    last = max(last for _, last in settings.groups)
    if last > count:
        raise SettingsError(
            f'The backbone "{anatomy.name}" has no block {last}; its blocks are 1 to {count}.'
        )
    return tuple(tuple(range(first - 1, last)) for first, last in settings.groups)


def _indices(levels: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    return tuple(sorted({index for level in levels for index in level}))
