"""A memory gives half the mean squared distance to the nearest code of the picture's concept."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from normalis.quantize.memory import ConceptMemory


def filled(
    concepts: int, *, codes: int = 5, channels: int = 3, by_code: bool = False
) -> ConceptMemory:
    generator = torch.Generator().manual_seed(0)
    memory = ConceptMemory(concepts, codes=codes, channels=channels, by_code=by_code)
    memory.codes.copy_(torch.randn(memory.codes.shape, generator=generator))
    return memory


def test_the_energy_is_that_of_the_nearest_code() -> None:
    memory = filled(2)
    z = torch.randn(4, 3, 2, 6, generator=torch.Generator().manual_seed(1))
    concept = torch.tensor([0, 1, 1, 0])
    energy = memory(z, concept)
    assert energy.shape == (4, 2, 6)
    for picture, k in enumerate(concept.tolist()):
        rows = z[picture].flatten(1).T.numpy()
        nearest = cdist(rows, memory.codes[k].numpy(), "sqeuclidean").min(1) / (2 * 3)
        np.testing.assert_allclose(energy[picture].flatten(), nearest, rtol=1e-4, atol=1e-6)


def test_a_code_has_no_energy() -> None:
    memory = filled(1, codes=4)
    z = memory.codes[0].T.reshape(1, 3, 2, 2)
    torch.testing.assert_close(
        memory(z, torch.tensor([0])), torch.zeros(1, 2, 2), atol=1e-6, rtol=0
    )


def test_one_concept_serves_all() -> None:
    memory = filled(1)
    z = torch.randn(1, 3, 2, 2).expand(3, -1, -1, -1)
    energy = memory(z, torch.tensor([0, 7, 31]))
    torch.testing.assert_close(energy, energy[:1].expand_as(energy))


def test_each_concept_remembers_its_own() -> None:
    generator = torch.Generator().manual_seed(2)
    centres = torch.tensor([[[0.0, 0.0], [10.0, 0.0]], [[0.0, 50.0], [10.0, 50.0]]])
    concept = torch.arange(2).repeat_interleave(200)
    which = torch.randint(2, (400,), generator=generator)
    z = centres[concept, which] + 0.01 * torch.randn(400, 2, generator=generator)
    memory = ConceptMemory(2, codes=2, channels=2)
    memory.set_from(z, concept, generator=generator)
    for k in range(2):
        found = memory.codes[k][memory.codes[k][:, 0].argsort()]
        torch.testing.assert_close(found, centres[k], atol=0.02, rtol=0)


def test_a_concept_without_features_has_those_of_all() -> None:
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(50, 2, generator=generator)
    memory = ConceptMemory(2, codes=1, channels=2)
    memory.set_from(z, torch.zeros(50, dtype=torch.long), generator=generator)
    torch.testing.assert_close(memory.codes[1, 0], z.mean(0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_rounding_never_makes_a_distance_negative(scale: float) -> None:
    memory = filled(1, codes=3)
    memory.codes.mul_(scale)
    z = memory.codes[0, :1].reshape(1, 3, 1, 1).contiguous()
    assert float(memory(z, torch.tensor([0])).min()) >= 0


def calm_and_wild(n: int, *, seed: int) -> torch.Tensor:
    """`n` features that vary little, at 0, and then `n` that vary ten times as far, at 100."""
    noise = torch.randn(2, n, 2, generator=torch.Generator().manual_seed(seed))
    return torch.cat([0.5 * noise[0], 100 + 5 * noise[1]])


def made_of(z: torch.Tensor, *, codes: int, by_code: bool = True) -> ConceptMemory:
    memory = ConceptMemory(1, codes=codes, channels=z.shape[1], by_code=by_code)
    memory.set_from(
        z, torch.zeros(len(z), dtype=torch.long), generator=torch.Generator().manual_seed(0)
    )
    return memory


def energies(memory: ConceptMemory, z: torch.Tensor) -> torch.Tensor:
    return memory(z.T[None, :, :, None], torch.tensor([0]))[0, :, 0]


def test_what_varies_much_is_as_usual_as_what_hardly_varies() -> None:
    seen, new = calm_and_wild(2000, seed=4), calm_and_wild(2000, seed=5)
    calm, wild = energies(made_of(seen, codes=2, by_code=False), new).view(2, -1).mean(1)
    assert wild > 80 * calm
    # The belief that all codes are alike is worth 16 features of the 2,000.
    calm, wild = energies(made_of(seen, codes=2), new).view(2, -1).mean(1)
    torch.testing.assert_close(wild, torch.tensor(1.0), atol=0.05, rtol=0)
    assert 0.6 < calm < 1.0


def test_an_energy_by_code_is_in_units_of_the_nearest_code() -> None:
    plain, by_code = filled(2), filled(2, by_code=True)
    by_code.spread.copy_(torch.rand(2, 5, generator=torch.Generator().manual_seed(6)) + 0.1)
    z = torch.randn(3, 3, 4, 5, generator=torch.Generator().manual_seed(7))
    concept = torch.tensor([1, 0, 1])
    energy = by_code(z, concept)
    for picture, k in enumerate(concept.tolist()):
        rows = z[picture].flatten(1).T.numpy()
        nearest = cdist(rows, by_code.codes[k].numpy()).argmin(1)
        expected = plain(z, concept)[picture].flatten() / by_code.spread[k][nearest]
        torch.testing.assert_close(energy[picture].flatten(), expected)


def test_of_codes_equally_near_the_wider_counts() -> None:
    memory = ConceptMemory(1, codes=2, channels=1, by_code=True)
    memory.codes.copy_(torch.tensor([[[-1.0], [1.0]]]))
    memory.spread.copy_(torch.tensor([[1.0, 4.0]]))
    z = torch.zeros(1, 1, 1, 1)
    torch.testing.assert_close(memory(z, torch.tensor([0])), torch.full((1, 1, 1), 0.5 / 4))


def test_few_features_say_nothing_of_single_codes() -> None:
    z = torch.randn(64, 4, generator=torch.Generator().manual_seed(8))
    spread = made_of(z, codes=48).spread
    assert spread.max() < 2 * spread.min()


def test_features_that_are_the_codes_leave_energies_finite() -> None:
    z = torch.randn(4, 2, generator=torch.Generator().manual_seed(9))
    memory = made_of(z, codes=8)
    assert torch.isfinite(energies(memory, z + 1)).all()
    torch.testing.assert_close(energies(memory, z), torch.zeros(4), atol=1e-1, rtol=0)


def test_without_features_every_code_is_as_wide() -> None:
    """The state that a saved model is read into."""
    memory = filled(1, by_code=True)
    z = torch.randn(1, 3, 2, 2)
    torch.testing.assert_close(memory(z, torch.tensor([0])), filled(1)(z, torch.tensor([0])))
