"""The fusion coupling against its equations, written again without classes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normalis.flows import AbstractTransform, FusionCoupling, FusionSubnet, HardPermutation

SHAPES = [(4, 4, 4), (3, 2, 2), (6, 1, 2)]
CONTEXT = 2


def fusion() -> FusionCoupling:
    torch.manual_seed(0)
    channels = tuple(c for c, _, _ in SHAPES)
    permutations: list[AbstractTransform] = [HardPermutation(torch.randperm(c)) for c in channels]
    return FusionCoupling(channels, permutations, context=CONTEXT).double()


def inputs() -> tuple[list[Tensor], Tensor]:
    xs = [torch.randn(2, *shape, dtype=torch.float64) for shape in SHAPES]
    return xs, torch.randn(2, CONTEXT, *SHAPES[-1][1:], dtype=torch.float64)


def network(weights: FusionSubnet, halves: list[Tensor], context: Tensor) -> list[Tensor]:
    """G of METHODS §1.4, step by step."""
    state = weights.state_dict()
    pooled = [F.adaptive_avg_pool2d(half, (1, 2)) for half in halves]
    x = F.conv2d(
        torch.cat([*pooled, context], 1), state["mix.0.weight"], state["mix.0.bias"], padding=1
    )
    x = (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    x = x * state["mix.1.weight"].view(1, -1, 1, 1) + state["mix.1.bias"].view(1, -1, 1, 1)
    x = F.conv2d(x.relu(), state["mix.3.weight"], state["mix.3.bias"], padding=1).relu()
    outputs: list[Tensor] = []
    for level, half in enumerate(halves):
        part, x = x[:, : half.shape[1]], x[:, half.shape[1] :]
        grid = (half.shape[2], half.shape[3])
        resized = F.interpolate(part, grid, mode="bilinear", align_corners=True)
        weight, bias = state[f"heads.{level}.weight"], state[f"heads.{level}.bias"]
        outputs.append(F.conv2d(half + resized, weight, bias, padding=1))
    return outputs


def kappa(s: Tensor) -> Tensor:
    return 1.9 * 0.636 * torch.atan(s / 1.9)


def test_it_is_the_published_coupling() -> None:
    step = fusion()
    for parameter in step.parameters():
        nn.init.normal_(parameter)
    xs, context = inputs()
    zs, log_dets = step(xs, context)

    orders = [step.get_submodule(f"permutations.{i}").get_buffer("order") for i in range(3)]
    permuted = [x[:, order] for x, order in zip(xs, orders, strict=True)]
    a = [x[:, : (x.shape[1] + 1) // 2] for x in permuted]
    b = [x[:, (x.shape[1] + 1) // 2 :] for x in permuted]
    s_a, t_a = zip(*(y.chunk(2, 1) for y in network(step.from_second, b, context)), strict=True)
    a = [x * kappa(s).exp() + t for x, s, t in zip(a, s_a, t_a, strict=True)]
    s_b, t_b = zip(*(y.chunk(2, 1) for y in network(step.from_first, a, context)), strict=True)
    b = [x * kappa(s).exp() + t for x, s, t in zip(b, s_b, t_b, strict=True)]

    torch.testing.assert_close(zs, [torch.cat(halves, 1) for halves in zip(a, b, strict=True)])
    expected = [kappa(s).sum(1) + kappa(t).sum(1) for s, t in zip(s_a, s_b, strict=True)]
    torch.testing.assert_close(log_dets, expected)


def test_it_starts_as_its_permutations_alone() -> None:
    step = fusion()
    xs, context = inputs()
    zs, log_dets = step(xs, context)
    for i, (x, z, log_det) in enumerate(zip(xs, zs, log_dets, strict=True)):
        order = step.get_submodule(f"permutations.{i}").get_buffer("order")
        assert torch.equal(z, x[:, order])
        assert torch.equal(log_det, torch.zeros_like(log_det))


def test_levels_learn_from_each_other() -> None:
    """What changes at one place of one level reaches every other level."""
    step = fusion()
    for parameter in step.parameters():
        nn.init.normal_(parameter)
    xs, context = inputs()
    before, _ = step(xs, context)
    xs[2] = xs[2] + 1
    after, _ = step(xs, context)
    assert all(not torch.allclose(x, y) for x, y in zip(before, after, strict=True))
