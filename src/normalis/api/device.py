"""Where a model computes."""

import torch

from normalis.errors import SettingsError

__all__ = ["device_named"]


def device_named(name: str) -> torch.device:
    """The device that a name means; "auto" is the first GPU, or the processor.

    Raises:
        SettingsError: There is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingsError(f"There is no device '{name}': give cpu, cuda or auto.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SettingsError("There is no GPU that torch can use: give --device cpu.")
    return device
