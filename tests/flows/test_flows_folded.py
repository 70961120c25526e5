"""A folded context is the dense one: every code, concept and border, 1x1 and 3x3."""

import pytest
import torch
from torch import Tensor, nn

from normalis.flows import folded
from normalis.flows.context import CodedContext, Codes
from normalis.flows.coupling import AffineCoupling
from normalis.flows.folded import FoldedFlow, FoldedFusion
from normalis.flows.fusion import FusionCoupling
from normalis.flows.linear import HardPermutation
from normalis.flows.transform import Compose
from normalis.nn.layers import conv_subnet
from normalis.nn.position import position_encoding

PATTERNS, PROTOTYPES, PLACE, PROTOTYPE = 7, 3, 4, 6
GRIDS = [(1, 1), (1, 4), (2, 2), (5, 3), (21, 20)]


def codes(grid: tuple[int, int]) -> Codes:
    chance = torch.Generator().manual_seed(1)
    return Codes(
        torch.randn(PATTERNS, PLACE + PROTOTYPE, generator=chance),
        torch.randn(PROTOTYPES, PROTOTYPE, generator=chance),
        grid,
    )


def contexts(known: Codes) -> tuple[CodedContext, Tensor]:
    """A picture of every concept, which show every code; and the same spelled out."""
    b, (h, w) = len(known.prototypes), known.grid
    coded = CodedContext(torch.arange(b * h * w).view(b, h, w) % PATTERNS, torch.arange(b))
    prototype = known.prototypes[coded.concept][:, :, None, None].expand(-1, -1, h, w)
    place = position_encoding(PLACE, known.grid).expand(b, -1, -1, -1)
    pattern = known.patterns[coded.codes].permute(0, 3, 1, 2)
    return coded, torch.cat([torch.cat([place, prototype], 1) + pattern, prototype], 1)


def stirred(module: nn.Module) -> None:
    """No coupling starts as the identity."""
    chance = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=chance))


def couplings(kernel: int, channels: int = 5) -> list[AffineCoupling]:
    passive, active = channels - channels // 2, channels // 2
    width = passive + PLACE + 2 * PROTOTYPE
    chance = torch.Generator().manual_seed(3)
    made = [
        AffineCoupling(
            channels,
            conv_subnet(width, 2 * active, hidden=9, kernel=kernel),
            permutation=HardPermutation(torch.randperm(channels, generator=chance)),
        )
        for _ in range(3)
    ]
    for coupling in made:
        stirred(coupling)
    return made


@torch.no_grad()
@pytest.mark.parametrize("large", [folded.LARGE_MAP, 1])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_folded_flow_is_the_flow(
    kernel: int, grid: tuple[int, int], large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures together, or one by one where their maps are large."""
    monkeypatch.setattr(folded, "LARGE_MAP", large)
    known, blocks = codes(grid), couplings(kernel)
    coded, spelled = contexts(known)
    x = torch.randn(len(coded.concept), 5, *grid, generator=torch.Generator().manual_seed(4))
    z, log_det = FoldedFlow(blocks, known)(x, coded)
    expected, expected_log_det = Compose(blocks)(x, spelled)
    torch.testing.assert_close(z, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(log_det, expected_log_det, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_folded_fusion_is_the_fusion(kernel: int, grid: tuple[int, int]) -> None:
    known, (h, w) = codes(grid), grid
    coded, spelled = contexts(known)
    chance = torch.Generator().manual_seed(5)
    channels = (5, 4)
    fusion = FusionCoupling(
        channels,
        [HardPermutation(torch.randperm(c, generator=chance)) for c in channels],
        context=spelled.shape[1],
        kernel=kernel,
    )
    stirred(fusion)
    xs = [
        torch.randn(PROTOTYPES, 5, 2 * h, 2 * w, generator=chance),
        torch.randn(PROTOTYPES, 4, h, w, generator=chance),
    ]
    zs, log_dets = FoldedFusion(fusion, known, grids=((2 * h, 2 * w), grid))(xs, coded)
    expected, expected_log_dets = fusion(xs, spelled)
    for one, other in zip([*zs, *log_dets], [*expected, *expected_log_dets], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_context_counts_at_every_tap() -> None:
    """The law is not met by chance: one code less changes its neighbours, and no others."""
    known = codes((9, 9))
    flow = FoldedFlow(couplings(3)[:1], known)
    coded, _ = contexts(known)
    changed = coded.codes.clone()
    changed[:, 4, 4] = (changed[:, 4, 4] + 1) % PATTERNS
    x = torch.zeros(PROTOTYPES, 5, 9, 9)
    before, after = flow(x, coded)[0], flow(x, CodedContext(changed, coded.concept))[0]
    moved = ((after - before).abs().amax((0, 1)) > 1e-6).nonzero()
    assert moved.amin(0).tolist() == [2, 2]
    assert moved.amax(0).tolist() == [6, 6]
