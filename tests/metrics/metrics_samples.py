"""Labelled scores of every awkward kind, in blocks as they would come."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from normalis.metrics import ScoreCounts

KINDS = ["ties", "smooth", "saturated", "huge", "infinite", "drifting"]


@dataclass(frozen=True)
class Labelled:
    """Scores, the truth, and a weight for each anomalous one."""

    scores: np.ndarray
    truth: np.ndarray
    weights: np.ndarray

    def blocks(self, number: int) -> list["Labelled"]:
        """Cut into so many pieces in order."""
        cuts = np.linspace(0, len(self.scores), number + 1).astype(int)
        before = np.append(0, np.cumsum(self.truth))
        return [
            Labelled(self.scores[i:j], self.truth[i:j], self.weights[before[i] : before[j]])
            for i, j in pairwise(cuts)
        ]

    def counted(
        self, *, bins: int | None = None, buffer: int = 2**18, blocks: int = 1
    ) -> ScoreCounts:
        counts = ScoreCounts(bins=bins, buffer=buffer)
        for block in self.blocks(blocks):
            counts.add(block.scores, block.truth, weights=block.weights)
        return counts


def sample(kind: str, *, seed: int, size: int, share: float = 0.3) -> Labelled:
    generator = np.random.default_rng(seed)
    truth = generator.random(size) < share
    values = generator.normal(size=size) + truth
    if kind == "ties":
        values = np.floor(2 * values)
    elif kind == "saturated":
        values = 1.0 - 1e-7 * np.exp(-3 * values)
    elif kind == "huge":
        values = np.sign(values) * 10.0 ** (6 * np.abs(values))
    elif kind == "infinite":
        values[generator.random(size) < 0.1] = np.inf
        values[generator.random(size) < 0.1] = -np.inf
    elif kind == "drifting":
        values += np.linspace(0, 8, size)
    weights = generator.choice([0.05, 0.5, 1.0], int(truth.sum()))
    dtype = np.float32 if seed % 2 else np.float64
    return Labelled(values.astype(dtype), truth, weights)


@st.composite
def samples(draw: st.DrawFn, *, most: int = 150) -> Labelled:
    size = draw(st.integers(2, most))
    share = draw(st.sampled_from([0.02, 0.3, 0.9]))
    kind = draw(st.sampled_from(KINDS))
    return sample(kind, seed=draw(st.integers(0, 2**16)), size=size, share=share)
