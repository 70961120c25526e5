"""Laws of the quantiser whose codes learn by gradient."""

import pytest
import torch
from quantize_samples import Clusters, purity

from normalis.quantize import EMAQuantizer, GradientQuantizer


def on_a_line() -> GradientQuantizer:
    """Three codes, at 0, 1 and 5."""
    quantizer = GradientQuantizer(3, 1)
    with torch.no_grad():
        quantizer.codes.copy_(torch.tensor([[0.0], [1.0], [5.0]]))
    return quantizer


def test_it_chooses_as_the_moving_average_does() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 4, generator=generator)
    first, second = EMAQuantizer(8, 4), GradientQuantizer(8, 4)
    second.set_codes_from(x, generator)
    first.set_codes(second.codes.detach())
    one, other = first.quantize(x), second.quantize(x)
    assert torch.equal(one.codes, other.codes)
    assert torch.equal(one.usage, other.usage)
    torch.testing.assert_close(one.values, other.values)
    torch.testing.assert_close(2 * one.commitment, other.commitment)


def test_codes_start_between_plus_and_minus_one_by_their_number() -> None:
    codes = GradientQuantizer(64, 32).codes
    assert float(codes.detach().abs().max()) <= 1 / 64
    assert float(codes.detach().std()) == pytest.approx(1 / 64 / 3**0.5, rel=0.1)


def test_input_and_code_are_drawn_to_each_other() -> None:
    quantizer = on_a_line()
    x = torch.tensor([[0.4], [4.0]], requires_grad=True)
    of_input, of_codes = torch.autograd.grad(quantizer.quantize(x).commitment, [x, quantizer.codes])
    torch.testing.assert_close(of_input, torch.tensor([[0.4], [-1.0]]))
    torch.testing.assert_close(of_codes, torch.tensor([[-0.4], [0.0], [1.0]]))


def test_what_comes_behind_reaches_the_input_and_not_the_codes() -> None:
    quantizer = on_a_line()
    x = torch.randn(8, 1, requires_grad=True)
    weight = torch.randn(8, 1)
    loss = (quantizer.quantize(x).values * weight).sum()
    of_input, of_codes = torch.autograd.grad(loss, [x, quantizer.codes], allow_unused=True)
    assert torch.equal(of_input, weight)
    assert of_codes is None


def test_descent_finds_the_clusters() -> None:
    clusters = Clusters.of(6, 8, seed=3)
    generator = torch.Generator().manual_seed(0)
    quantizer = GradientQuantizer(6, 8)
    quantizer.set_codes_from(clusters.draw_evenly(4)[0] + 0.3, generator, restarts=4)
    optimizer = torch.optim.Adam(quantizer.parameters(), lr=0.02)
    for _ in range(100):
        optimizer.zero_grad()
        quantizer.quantize(clusters.draw(32)[0]).commitment.backward()
        optimizer.step()
    x, label = clusters.draw_evenly(50)
    found = quantizer.quantize(x)
    assert purity(found.codes, label) == 1.0
    assert float(found.commitment.detach()) == pytest.approx(2 * 0.1**2, rel=0.2)
