"""Concepts beside classes."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from site_samples import CLASSES, sample_result

from normalis.report.concepts import agreement, concepts

NUMBERS = {name: number for number, name in enumerate(CLASSES)}


def test_every_picture_is_counted_once_in_its_concept_and_class(tmp_path: Path) -> None:
    result = sample_result(tmp_path)
    found = concepts(result, NUMBERS)
    counted = {
        (concept.number, name): count
        for concept in found
        for name, count in zip(CLASSES, concept.counts, strict=True)
        if count
    }
    assert counted == Counter((one.concept, one.category) for one in result.pictures)
    assert [concept.training for concept in found] == [50, 40, 30, 0]
    assert [concept.fill for concept in found] == [1.0, 0.8, 0.6, 0.0]


def test_the_most_typical_pictures_score_lowest(tmp_path: Path) -> None:
    for concept in concepts(result := sample_result(tmp_path), NUMBERS):
        scores = sorted(one.score for one in result.pictures if one.concept == concept.number)
        assert [one.score for one in concept.typical] == scores[:4]


def test_a_concept_with_training_pictures_alone_is_listed(tmp_path: Path) -> None:
    result = replace(sample_result(tmp_path, thumbnails=False), pictures=())
    assert [concept.number for concept in concepts(result, {})] == [0, 1, 2]
    assert agreement(concepts(result, {})) is None


def test_learned_concepts_have_no_count(tmp_path: Path) -> None:
    result = sample_result(tmp_path, thumbnails=False)
    learned = replace(result, model=replace(result.model, concept_pictures=()))
    assert {concept.training for concept in concepts(learned, NUMBERS)} == {None}


def test_agreement_is_the_share_of_the_greatest_class(tmp_path: Path) -> None:
    result = sample_result(tmp_path, thumbnails=False)
    # Every tenth picture is in concept 3, the three classes there alike; all others agree.
    assert agreement(concepts(result, NUMBERS)) == (54 + 2) / 60
