"""Peak and box, against a flood fill written out."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from normalis.images.regions import Box, Peak, hot_box, peak


def flood_box(scores: np.ndarray, level: float) -> Box | None:
    start = np.unravel_index(scores.argmax(), scores.shape)
    if scores[start] <= level:
        return None
    seen = {(int(start[0]), int(start[1]))}
    todo = list(seen)
    while todo:
        row, col = todo.pop()
        for r in range(max(row - 1, 0), min(row + 2, scores.shape[0])):
            for c in range(max(col - 1, 0), min(col + 2, scores.shape[1])):
                if (r, c) not in seen and scores[r, c] > level:
                    seen.add((r, c))
                    todo.append((r, c))
    rows, cols = zip(*seen, strict=True)
    return Box(min(cols), min(rows), max(cols) + 1, max(rows) + 1)


def test_the_peak_is_the_highest_pixel() -> None:
    scores = np.zeros((4, 7), np.float32)
    scores[2, 5] = 1.5
    assert peak(scores) == Peak(2, 5, 1.5)


def test_corners_connect_and_gaps_do_not() -> None:
    scores = np.zeros((6, 9), np.float32)
    scores[1, 2], scores[2, 3], scores[2, 5] = 3, 2, 2
    assert hot_box(scores, 1.0) == Box(2, 1, 4, 3)


def test_no_box_where_nothing_is_above_the_level() -> None:
    assert hot_box(np.full((3, 3), 2, np.float32), 2.0) is None


def test_a_wholly_hot_map_is_boxed_whole() -> None:
    assert hot_box(np.full((3, 5), 2, np.float32), 1.0) == Box(0, 0, 5, 3)


@settings(max_examples=100)
@given(
    scores=arrays(np.float32, st.tuples(*[st.integers(1, 9)] * 2), elements=st.integers(0, 4)),
    level=st.integers(-1, 4),
)
def test_the_box_is_that_of_a_flood_fill(scores: np.ndarray, level: int) -> None:
    assert hot_box(scores, float(level)) == flood_box(scores, level)
