"""Random networks and pictures, the same each time."""

import timm
import torch
from torch import Tensor, nn

__all__ = ["pixels_of", "random_network", "random_state"]


def random_network(name: str) -> nn.Module:
    """Return timm's network with weights and batch statistics that are not the initial ones."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        network = timm.create_model(name, pretrained=False)
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand_like(tensor) * 0.05)
    return network.eval()


def random_state(name: str) -> dict[str, Tensor]:
    """Return the tensors of ``random_network``."""
    state = random_network(name).state_dict()
    return {key: tensor.contiguous() for key, tensor in state.items()}


def pixels_of(height: int, width: int, *, count: int = 2) -> Tensor:
    """Return random pictures, NCHW in [0, 1]."""
    generator = torch.Generator().manual_seed(3)
    return torch.rand(count, 3, height, width, generator=generator)
