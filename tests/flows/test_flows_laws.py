"""Laws that every transform keeps, over the table of `flow_rows`."""

from functools import partial

import pytest
import torch
from flow_rows import ROWS, Row, at_random
from safetensors.torch import load, save
from torch import Tensor

LEARNED = [name for name in ROWS if list(at_random(name).transform.parameters())]
LOCAL = [name for name in ROWS if at_random(name).is_local]

assert_same = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)
every_row = pytest.mark.parametrize("name", ROWS)


def jacobian(row: Row, x: Tensor, context: Tensor | None) -> Tensor:
    """Of one picture's latents: rows latents, columns inputs, both in the order `c h w`."""
    full = torch.autograd.functional.jacobian(lambda y: row.transform(y, context)[0], x)
    assert isinstance(full, Tensor)
    return full.reshape(x.numel(), x.numel())


def pictures(row: Row) -> list[tuple[Tensor, Tensor | None]]:
    """The pictures of a batch, each as a batch of its own that meets the same concept."""
    x, context = row.inputs()
    return [(x[i : i + 1], None if context is None else context[i : i + 1]) for i in range(len(x))]


@every_row
def test_inverse_undoes_forward(name: str) -> None:
    row = at_random(name)
    x, context = row.inputs()
    z, _ = row.transform(x, context)
    assert not torch.allclose(z, x), "a transform that does nothing proves nothing"
    assert_same(row.transform.inverse(z, context)[0], x)


@every_row
def test_forward_undoes_inverse(name: str) -> None:
    row = at_random(name)
    z, context = row.inputs()
    x, _ = row.transform.inverse(z, context)
    assert_same(row.transform(x, context)[0], z)


@every_row
def test_log_det_is_that_of_the_jacobian(name: str) -> None:
    row = at_random(name)
    x, context = pictures(row)[0]
    expected = torch.linalg.slogdet(jacobian(row, x, context)).logabsdet
    assert_same(row.transform(x, context)[1].sum(), expected)


@pytest.mark.parametrize("name", LOCAL)
def test_log_det_of_a_position_is_that_of_its_own_jacobian(name: str) -> None:
    row = at_random(name)
    x, context = pictures(row)[0]
    c, h, w = row.shape
    full = jacobian(row, x, context).view(c, h * w, c, h * w)
    own = full.diagonal(dim1=1, dim2=3).permute(2, 0, 1)
    elsewhere = ~torch.eye(h * w, dtype=torch.bool)[None, :, None, :]
    assert float((full.abs() * elsewhere).max()) == 0, "positions do not mix"
    expected = torch.linalg.slogdet(own).logabsdet.view(1, h, w)
    assert_same(row.transform(x, context)[1], expected)


@every_row
def test_log_det_of_the_inverse_is_the_negative(name: str) -> None:
    row = at_random(name)
    x, context = row.inputs()
    z, log_det = row.transform(x, context)
    assert_same(row.transform.inverse(z, context)[1], -log_det)


@every_row
def test_log_det_keeps_the_grid_and_the_precision(name: str) -> None:
    row = at_random(name)
    x, context = row.inputs()
    for y, log_det in (row.transform(x, context), row.transform.inverse(x, context)):
        assert y.shape == x.shape
        assert log_det.shape == (len(x), *x.shape[2:])
        assert y.dtype == log_det.dtype == torch.float64


@every_row
def test_a_picture_is_transformed_on_its_own(name: str) -> None:
    row = at_random(name)
    x, context = row.inputs()
    z, log_det = row.transform(x, context)
    alone = row.transform(*pictures(row)[0])
    assert_same(alone, (z[:1], log_det[:1]))


@pytest.mark.parametrize("name", LEARNED)
def test_the_likelihood_reaches_every_parameter(name: str) -> None:
    row = at_random(name)
    z, log_det = row.transform(*row.inputs())
    (z.square().sum() / 2 - log_det.sum()).backward()
    untouched = [
        key
        for key, parameter in row.transform.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    ]
    assert untouched == []


@every_row
def test_a_saved_transform_is_the_same_again(name: str) -> None:
    """Through the file format of the bundle; what is not learned is saved as well."""
    row, other = at_random(name, seed=1), at_random(name, seed=2)
    inputs = row.inputs()
    expected = row.transform(*inputs)
    assert not torch.allclose(other.transform(*inputs)[0], expected[0])
    other.transform.load_state_dict(load(save(row.transform.state_dict())))
    torch.testing.assert_close(other.transform(*inputs), expected, rtol=0, atol=0)


@every_row
def test_mixed_precision_is_for_the_networks_alone(name: str) -> None:
    """Under autocast latents and log-determinants stay float32 and the inverse holds."""
    row = at_random(name)
    row.transform.float()
    x, context = (None if y is None else y.float() for y in row.inputs())
    assert x is not None
    expected = row.transform(x, context)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z, log_det = row.transform(x, context)
        back, _ = row.transform.inverse(z, context)
    assert z.dtype == log_det.dtype == back.dtype == torch.float32
    torch.testing.assert_close((z, log_det), expected, rtol=0.05, atol=0.1)
    torch.testing.assert_close(back, x, rtol=2e-3, atol=2e-3)
