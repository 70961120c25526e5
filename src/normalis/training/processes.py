"""Several processes that train one model, as `torchrun` starts them."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

__all__ = ["Processes", "average_gradients", "joined_processes", "this_process"]

PATIENCE = timedelta(days=1)  # one process alone computes the features of all pictures


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: Its number, from 0.
        world: How many there are.
    """

    rank: int
    world: int

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Go on when every process has come here."""
        if self.world > 1:
            dist.barrier()


def this_process() -> Processes:
    """This process among the joined ones; alone where none were joined."""
    if dist.is_available() and dist.is_initialized():
        return Processes(dist.get_rank(), dist.get_world_size())
    return Processes(0, 1)


@contextmanager
def joined_processes() -> Generator[Processes]:
    """Join the processes that `torchrun` started, for as long as the block lasts."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield this_process()
        return
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield this_process()
    finally:
        dist.destroy_process_group()


def average_gradients(model: nn.Module, world: int) -> None:
    """The mean of all processes' gradients, in one message."""
    if world == 1:
        return
    parameters = [p for p in model.parameters() if p.requires_grad]
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([grad.flatten() for grad in grads])
    dist.all_reduce(flat)
    parts = (flat / world).split([p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.grad = part.view_as(parameter)
