"""Clusters of points, for the tests of quantisers and k-means."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Clusters", "purity"]


@dataclass(frozen=True)
class Clusters:
    """Gaussian clusters around random centres that lie far from each other."""

    centres: Tensor
    generator: torch.Generator
    spread: float = 0.1

    @classmethod
    def of(cls, count: int, dim: int, *, seed: int) -> "Clusters":
        generator = torch.Generator().manual_seed(seed)
        return cls(torch.randn(count, dim, generator=generator), generator)

    def draw(self, size: int) -> tuple[Tensor, Tensor]:
        """Points, and the cluster of each."""
        label = torch.randint(len(self.centres), (size,), generator=self.generator)
        return self.around(label), label

    def draw_evenly(self, each: int) -> tuple[Tensor, Tensor]:
        """As many points of every cluster."""
        label = torch.arange(len(self.centres)).repeat(each)
        return self.around(label), label

    def around(self, label: Tensor) -> Tensor:
        noise = torch.randn(len(label), self.centres.shape[1], generator=self.generator)
        return self.centres[label] + self.spread * noise


def purity(index: Tensor, label: Tensor) -> float:
    """Share of points whose label is the most frequent one of their code."""
    table = torch.zeros(int(index.max()) + 1, int(label.max()) + 1)
    table.index_put_((index, label), torch.ones(len(label)), accumulate=True)
    return float(table.amax(1).sum() / len(label))
