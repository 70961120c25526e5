"""Protocols: what a score may be made from, and the sentence that says so."""

import pytest

from normalis.errors import SettingsError
from normalis.evaluation import HONEST, PAPER, EvaluationProtocol, Needs

EVERY = [Needs(test_set=s, test_labels=c) for s in (False, True) for c in (False, True)]


@pytest.mark.parametrize("needs", EVERY)
def test_the_paper_protocol_accepts_every_score(needs: Needs) -> None:
    PAPER.accept(needs, score="published score")


def test_the_honest_protocol_accepts_a_score_of_the_picture_alone() -> None:
    HONEST.accept(Needs(), score="score")


@pytest.mark.parametrize("needs", EVERY[1:])
def test_the_honest_protocol_refuses_what_looks_further(needs: Needs) -> None:
    with pytest.raises(SettingsError, match=r"The HGAD score needs .* honest protocol") as caught:
        HONEST.accept(needs, score="HGAD score")
    assert ("the test picture's class" in str(caught.value)) == needs.test_labels
    assert ("other pictures" in str(caught.value)) == needs.test_set


@pytest.mark.parametrize("protocol", [HONEST, PAPER])
def test_the_sentence_says_epoch_normalisation_and_labels(protocol: EvaluationProtocol) -> None:
    assert protocol.sentence.startswith(f"{protocol.name} protocol: ")
    for part in (protocol.epoch, protocol.normalisation, protocol.labels):
        assert part in protocol.sentence
