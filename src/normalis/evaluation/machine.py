"""The machine that figures and timings were made on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from normalis.ahead import usable_cores

__all__ = ["machine"]


def machine(*, device: torch.device | None = None) -> dict[str, str]:
    """Processor, memory, and versions of what computes; the accelerator, where it is given.

    Args:
        device: Where the model computed.
    """
    found = {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": str(usable_cores()),
        "threads": str(torch.get_num_threads()),
        "memory": _memory(),
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "timm", "numpy", "normalis")},
    }
    if device is not None and device.type == "cuda":
        found["accelerator"] = torch.cuda.get_device_name(device)
    return found


def _processor() -> str:
    """Its name; Python knows it only outside of Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names or [platform.processor() or platform.machine()])[0]


def _memory() -> str:
    """All of it, in GB; empty where the system does not say."""
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.1f} GB"
    except (AttributeError, OSError, ValueError):
        return ""
