"""How map values are spread over good and over defect positions."""

import numpy as np
import pytest

from normalis.evaluation.evaluator import Evaluator
from normalis.evaluation.figures import ImageResult
from normalis.evaluation.result import Positions


def test_every_position_is_counted_where_its_value_lies() -> None:
    chance = np.random.default_rng(0)
    judge, good, defect = Evaluator(), list[np.ndarray](), list[np.ndarray]()
    for number in range(4):
        values = chance.normal(0, 3, (20, 30)).astype(np.float32)
        mask = np.zeros((20, 30), bool)
        mask[5:9, 6:12] = number % 2 == 1
        values[mask] += 40
        result = ImageResult(str(number), "nut", is_defect=bool(mask.any()), score=0.0)
        judge.add(result, map=values, mask=mask if mask.any() else None)
        good.append(values[~mask])
        defect.append(values[mask])
    found = judge.positions()
    for counts, values in ((found.good, good), (found.defect, defect)):
        inside = np.clip(np.concatenate(values), found.edges[0], found.edges[-1])
        expected, _ = np.histogram(inside, found.edges)
        assert sum(counts) == len(inside)
        assert np.abs(np.array(counts) - expected).sum() <= 2  # rounding at an edge


def test_what_lies_beyond_is_in_the_outermost_bins() -> None:
    judge = Evaluator()
    values = np.full((4, 4), 1e6, np.float32)
    values[0] = -1e6
    judge.add(ImageResult("a", None, is_defect=False, score=0.0), map=values)
    found = judge.positions()
    assert (found.good[0], found.good[-1]) == (4, 12)
    assert not any(found.defect)


def test_counts_without_their_edges_are_refused() -> None:
    with pytest.raises(ValueError, match="one edge more"):
        Positions((0.0, 1.0), (1, 2), (1, 2))
