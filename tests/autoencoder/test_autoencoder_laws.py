"""Laws of both autoencoders, over a table."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from autoencoder_samples import made_pictures, made_vae, made_vqvae

from normalis.autoencoder import AbstractAutoencoder, Decoder, Encoder, GatedBlock

Build = Callable[..., AbstractAutoencoder]

ROWS: dict[str, Build] = {
    "VQVAE, codes by gradient": made_vqvae,
    "VQVAE, codes as moving averages": partial(made_vqvae, gradient=False),
    "VQVAE, coarse stem": partial(made_vqvae, stem=2),
    "VAE": made_vae,
}
EVERY = pytest.mark.parametrize("build", ROWS.values(), ids=ROWS)


def trained(model: AbstractAutoencoder, steps: int) -> list[float]:
    """The distortion at each step."""
    x = made_pictures(16)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    found: list[float] = []
    for _ in range(steps):
        result = model(x)
        optimizer.zero_grad()
        (result.distortion + result.rate).backward()
        optimizer.step()
        found.append(float((result.pictures - x).abs().mean().detach()))
    return found


@EVERY
def test_the_shape_is_kept_for_any_side_that_the_steps_divide(build: Build) -> None:
    model = build().eval()
    for size in ((16, 16), (8, 24)):
        x = torch.randn(3, 1, *size)
        assert model(x).pictures.shape == x.shape


@EVERY
def test_every_parameter_learns(build: Build) -> None:
    model = build().train()
    result = model(made_pictures(8))
    (result.distortion + result.rate).backward()
    still = [
        name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()
    ]
    assert still == []


@EVERY
def test_training_brings_the_pictures_nearer(build: Build) -> None:
    distortions = trained(build(), 40)
    assert distortions[-1] < 0.6 * distortions[0]


@EVERY
def test_a_picture_alone_and_in_a_batch_comes_back_the_same(build: Build) -> None:
    model = build()
    trained(model, 3)
    model.eval()
    x = made_pictures(6)
    together = model(x).pictures
    alone = torch.cat([model(row[None]).pictures for row in x])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@EVERY
def test_evaluation_has_no_chance_in_it(build: Build) -> None:
    model = build().eval()
    x = made_pictures(4)
    assert torch.equal(model(x).pictures, model(x).pictures)


@EVERY
def test_the_position_of_a_slice_matters_where_slices_have_one(build: Build) -> None:
    model = build(located=True).eval()
    x = made_pictures(2)
    low, high = (model(x, torch.full((2,), t)).pictures for t in (-0.5, 0.5))
    assert not torch.allclose(low, high)
    with pytest.raises(AssertionError, match="positions"):
        model(x)
    with pytest.raises(AssertionError, match="positions"):
        build().eval()(x, torch.zeros(2))


def test_the_published_encoder_has_the_published_grids() -> None:
    x = torch.zeros(1, 1, 160, 160)
    for widths, side in (((16, 32, 64, 256), 20), ((16, 32, 64, 128, 256), 10)):
        latent = Encoder(1, widths=widths, blocks=2, stem=1, located=False).eval()(x)
        assert latent.shape == (1, 256, side, side)
        decoder = Decoder(1, widths=widths, blocks=2, stem=1, located=False).eval()
        assert decoder(latent).shape == x.shape


def test_a_gated_block_keeps_its_input_where_its_gate_is_shut() -> None:
    block = GatedBlock(4).eval()
    last = block.body[-1]
    with torch.no_grad():
        last.get_parameter("bias").copy_(torch.tensor([0.0] * 4 + [-100.0] * 4))
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(block(x), x)
