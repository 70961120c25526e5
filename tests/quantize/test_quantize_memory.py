"""A memory gives half the mean squared distance to the nearest code of the picture's concept."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from normalis.quantize.memory import ConceptMemory


def filled(concepts: int, *, codes: int = 5, channels: int = 3) -> ConceptMemory:
    generator = torch.Generator().manual_seed(0)
    memory = ConceptMemory(concepts, codes=codes, channels=channels)
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
