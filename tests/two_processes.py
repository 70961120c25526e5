"""Runs one function on two processes that talk over gloo, as a training on two machines would."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

__all__ = ["Work", "run_on_two"]

Work = Callable[[int], dict[str, Tensor]]


def run_on_two(work: Work, folder: Path) -> list[dict[str, Tensor]]:
    """What `work(rank)`, a function at the top of a module, returns on rank 0 and on rank 1."""
    mp.start_processes(_enter, args=(work, folder), nprocs=2, start_method="spawn")
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def _enter(rank: int, work: Work, folder: Path) -> None:
    warnings.simplefilter("error")  # as in the tests themselves
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2
    )
    torch.save(work(rank), folder / f"{rank}.pt")
    dist.destroy_process_group()
