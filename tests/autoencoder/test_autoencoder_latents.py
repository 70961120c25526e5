"""What is special to each latent: codes on a grid, and Gaussians."""

import math

import pytest
import torch
from autoencoder_samples import made_pictures, made_vae, made_vqvae
from torch.distributions import Laplace, Normal, kl_divergence

from normalis.quantize import EMAQuantizer


def test_decoding_the_codes_gives_the_reconstruction() -> None:
    model = made_vqvae().eval()
    x = made_pictures(5)
    codes = model.encode(x)
    assert codes.shape == (5, 4, 4)
    torch.testing.assert_close(model.decode(codes), model(x).pictures)


def test_codes_lie_where_they_were_seen() -> None:
    """Of a picture that is unusual in one corner, only codes near that corner differ."""
    model = made_vqvae(size=64).eval()
    plain = torch.zeros(1, 1, 64, 64)
    model.set_codes(torch.randn(4, 1, 64, 64), generator=torch.Generator().manual_seed(0))
    marked = plain.clone()
    marked[:, :, :6, :6] = 5
    differs = (model.encode(plain) != model.encode(marked))[0]
    assert differs[0, 0]
    assert not differs[12:, 12:].any()


def test_the_loss_of_codes_is_mean_distance_and_commitment() -> None:
    model = made_vqvae().eval()
    x = made_pictures(4)
    result = model(x)
    assert result.quantized is not None
    assert result.latents is not None
    torch.testing.assert_close(result.distortion, (x - result.pictures).abs().mean())
    distance = (result.latents - model.quantizer.codes[result.quantized.codes]).square().mean()
    torch.testing.assert_close(result.rate, 2 * distance)


def test_codes_start_from_pictures() -> None:
    model = made_vqvae(size=4).eval()
    x = made_pictures(8)
    model.set_codes(x, generator=torch.Generator().manual_seed(0))
    result = model(x)
    assert result.quantized is not None
    assert (result.quantized.usage > 0).all()


def test_moving_averages_follow_their_inputs() -> None:
    model = made_vqvae(gradient=False).eval()
    x = made_pictures(8)
    model.set_codes(x, generator=torch.Generator().manual_seed(0))
    result = model(x + 0.2)
    assert isinstance(model.quantizer, EMAQuantizer)
    assert result.quantized is not None
    assert result.latents is not None
    model.quantizer.update(result.latents, result.quantized.codes)
    assert float(model(x + 0.2).rate.detach()) < float(result.rate.detach())


def test_the_loss_of_a_gaussian_latent_is_the_evidence_bound() -> None:
    """Laplace likelihood at its best scale, and the divergence; both as torch.distributions say."""
    model = made_vae().eval()
    x = made_pictures(4)
    result = model(x)
    scale = (x - result.pictures).abs().mean()
    likelihood = Laplace(result.pictures, scale).log_prob(x).mean()
    torch.testing.assert_close(result.distortion, -likelihood)
    mean, raw = model.moments(model.encoder(x)).chunk(2, 1)
    posterior = Normal(mean, (4 * (raw / 8).tanh()).exp())
    divergence = kl_divergence(posterior, Normal(0.0, 1.0)).sum() / x.numel()
    torch.testing.assert_close(result.rate, divergence)


def test_no_other_scale_is_likelier() -> None:
    model = made_vae().eval()
    x = made_pictures(4)
    result = model(x)
    scale = float((x - result.pictures).abs().mean().detach())
    for other in (0.8 * scale, 1.25 * scale):
        nll = -Laplace(result.pictures, other).log_prob(x).mean()
        assert float(nll.detach()) > float(result.distortion.detach())
    assert float(result.distortion.detach()) == pytest.approx(math.log(2 * scale) + 1, rel=1e-5)


def test_a_gaussian_latent_is_drawn_in_training_alone() -> None:
    model = made_vae()
    x = made_pictures(4)
    with torch.no_grad():
        assert not torch.equal(model.train()(x).pictures, model(x).pictures)
        assert torch.equal(model.eval()(x).pictures, model(x).pictures)
