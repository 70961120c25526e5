"""A memory gives half the mean squared distance to the nearest code, as it is or by code."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from normalis.quantize.memory import ConceptMemory, UsualEnergies


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
    concept = torch.zeros(len(z), dtype=torch.long)
    memory.set_from(z, concept, generator=torch.Generator().manual_seed(0))
    usual = UsualEnergies(memory)
    for some in z.split(300):  # any number of batches
        usual.add(some.T[None, :, :, None], torch.tensor([3]))
    memory.set_usual(usual)
    return memory


def energies(memory: ConceptMemory, z: torch.Tensor) -> torch.Tensor:
    return memory(z.T[None, :, :, None], torch.tensor([0]))[0, :, 0]


def test_what_varies_much_is_as_usual_as_what_varies_little() -> None:
    seen, new = calm_and_wild(2000, seed=4), calm_and_wild(2000, seed=5)
    alike = energies(made_of(seen, codes=2, by_code=False), new).view(2, -1)
    assert alike[1].mean() > 80 * alike[0].mean()
    by_code = energies(made_of(seen, codes=2), new).view(2, -1)
    torch.testing.assert_close(by_code[1].mean(), torch.tensor(0.0), atol=0.1, rtol=0)
    torch.testing.assert_close(by_code[1].std(), torch.tensor(1.0), atol=0.1, rtol=0)
    # The belief that all codes are alike is worth 16 features of the 2,000.
    assert -0.2 < by_code[0].mean() < 0
    assert 0.1 < by_code[0].std() < 1


def test_an_energy_by_code_is_standardised_by_the_nearest_code() -> None:
    plain, by_code = filled(2), filled(2, by_code=True)
    generator = torch.Generator().manual_seed(6)
    by_code.location.copy_(torch.rand(2, 5, generator=generator))
    by_code.spread.copy_(torch.rand(2, 5, generator=generator) + 0.1)
    z = torch.randn(3, 3, 4, 5, generator=torch.Generator().manual_seed(7))
    concept = torch.tensor([1, 0, 1])
    energy = by_code(z, concept)
    for picture, k in enumerate(concept.tolist()):
        rows = z[picture].flatten(1).T.numpy()
        code = cdist(rows, by_code.codes[k].numpy()).argmin(1)
        expected = plain(z, concept)[picture].flatten() - by_code.location[k][code]
        torch.testing.assert_close(energy[picture].flatten(), expected / by_code.spread[k][code])
    torch.testing.assert_close(by_code.answers(z, concept)[1], plain(z, concept))
    assert len(plain.answers(z, concept)) == 1


def test_the_form_of_a_graph_answers_alike_where_codes_are_there_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    z = torch.randn(20, 3, generator=torch.Generator().manual_seed(11)).repeat(4, 1)
    memory, asked = made_of(z, codes=32), (z + 0.1).T[None, :, :, None]
    assert len(memory.codes[0].unique(dim=0)) < 32
    in_library = memory.answers(asked, torch.tensor([0]))
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    in_graph = memory.answers(asked, torch.tensor([0]))
    for one, other in zip(in_library, in_graph, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_form_of_a_graph_bears_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which has no whole numbers of its own beyond 256, and there are more codes."""
    memory = ConceptMemory(1, codes=512, channels=512, by_code=True)
    memory.codes[0] = 8 * torch.eye(512)
    memory.location[0] = 100 * (torch.arange(512.0) % 2)
    z, concept = (memory.codes[0] + 1).T[None, :, :, None], torch.tensor([0])
    wanted = memory(z, concept)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    coarse = memory.bfloat16()(z.bfloat16(), concept).float()
    torch.testing.assert_close(coarse, wanted, rtol=0.01, atol=0.5)


def test_what_is_usual_is_the_mean_and_deviation_of_each_code_s_features() -> None:
    """Of so many features that the belief does not count."""
    memory = filled(2, codes=3, by_code=True)
    z = torch.randn(4, 3, 60, 60, generator=torch.Generator().manual_seed(10))
    concept = torch.tensor([0, 1, 1, 0])
    usual = UsualEnergies(memory)
    usual.add(z[:1], concept[:1])
    usual.add(z[1:], concept[1:])
    memory.set_usual(usual)
    for k in range(2):
        rows = z[concept == k].transpose(0, 1).flatten(1).T.numpy()
        table = cdist(rows, memory.codes[k].numpy(), "sqeuclidean") / (2 * 3)
        for code in range(3):
            own = table[table.argmin(1) == code, code]
            assert len(own) > 500
            assert float(memory.location[k, code]) == pytest.approx(own.mean(), rel=0.05)
            assert float(memory.spread[k, code]) == pytest.approx(own.std(), rel=0.05)


def test_few_features_say_nothing_of_single_codes() -> None:
    memory = made_of(torch.randn(64, 4, generator=torch.Generator().manual_seed(8)), codes=48)
    assert memory.location.max() < 2 * memory.location.min()
    assert memory.spread.max() < 3 * memory.spread.min()


def test_a_concept_without_features_has_what_is_usual_for_all() -> None:
    memory = filled(2, by_code=True)
    usual = UsualEnergies(memory)
    usual.add(torch.randn(2, 3, 4, 4), torch.tensor([0, 0]))
    memory.set_usual(usual)
    overall = usual.sums[1].sum() / usual.sums[0].sum()
    torch.testing.assert_close(memory.location[1], overall.float().expand(5))


def test_features_that_are_the_codes_leave_energies_finite() -> None:
    z = torch.randn(4, 2, generator=torch.Generator().manual_seed(9))
    assert torch.isfinite(energies(made_of(z, codes=8), z + 1)).all()


def test_until_it_is_told_what_is_usual_a_memory_counts_all_alike() -> None:
    """The state that a saved model is read into."""
    memory, z = filled(1, by_code=True), torch.randn(1, 3, 2, 2)
    torch.testing.assert_close(memory(z, torch.tensor([0])), filled(1)(z, torch.tensor([0])))
