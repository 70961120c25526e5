"""The optimiser, its learning rate at each step, the bound on the gradient, the precision."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from normalis.detectors.records import ParameterGroup
from normalis.training.settings import TrainingSettings

__all__ = ["clip_gradient", "optimizer_of", "set_rate", "use_bfloat16"]


def optimizer_of(
    learned: tuple[ParameterGroup, ...], settings: TrainingSettings
) -> torch.optim.Optimizer:
    """The optimiser that the settings name, over the groups that the detector names."""
    groups: list[dict[str, Any]] = [
        {
            "params": list(group.parameters),
            "rate": group.rate,
            "weight_decay": settings.weight_decay * group.decay,
        }
        for group in learned
    ]
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, betas=settings.betas, fused=True)


def set_rate(
    optimizer: torch.optim.Optimizer, settings: TrainingSettings, *, done: int, total: int
) -> None:
    """Set each group's learning rate for the next of `total` steps, `done` of which are done."""
    rate = settings.learning_rate * _share(settings, done, total)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]


def clip_gradient(model: nn.Module, settings: TrainingSettings) -> None:
    """Bound the gradient's norm, or each of its elements."""
    if settings.clip_by == "value":
        nn.utils.clip_grad_value_(model.parameters(), settings.clip)
    else:
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip)


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16; `auto` asks the processor."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    abilities: Mapping[str, Any] = torch.cpu.get_capabilities()
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))


def _share(settings: TrainingSettings, done: int, total: int) -> float:
    """Share of the highest learning rate: it rises from a tenth, and may then fall."""
    warm = max(1, round(settings.warmup * total))
    if done < warm:
        return 0.1 + 0.9 * done / warm
    if settings.decay == "constant":
        return 1.0
    return 0.5 + 0.5 * math.cos(math.pi * (done - warm) / max(1, total - warm))
