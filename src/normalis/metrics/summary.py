"""A few thousand edges that stand for any number of scores, with bounds (METHODS §4).

At each edge the summary knows how much lies at or above it: normal scores, anomalous scores, and
anomalous weight. Scores that come are counted at every edge exactly. Where a bin between two edges
grows too full, some of the new scores become edges; of what came before, only bounds are known
there: at least what lies above the next old edge, at most what lies above the last one. Summaries
merge by adding their bounds at the edges of both. (Rank bounds that merge: Greenwald and Khanna,
*Space-efficient online computation of quantile summaries*, 2001; Agarwal et al., *Mergeable
summaries*, 2013.)

Edges are scores that were seen, so a strictly rising map of all scores changes no count. They
lie dense where metrics look: evenly over the logarithm of the false alarms, over the anomalous
scores and over their weight. So the error of an area up to a false-alarm limit is small beside the
limit, however strict that is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from normalis.metrics.curve import Curve, area_below
from normalis.metrics.intervals import Interval

__all__ = ["RankSummary", "SortedScores", "merge_summaries"]


@dataclass(frozen=True)
class SortedScores:
    """Scores ready to be counted.

    Attributes:
        normal: Parts, each sorted upwards.
        anomalous: Sorted upwards.
        weight_above: Weight of the anomalous scores from each one on, then 0.
    """

    normal: tuple[Float[np.ndarray, " _"], ...]
    anomalous: Float[np.ndarray, " a"]
    weight_above: Float64[np.ndarray, " a+1"]

    @classmethod
    def of(
        cls,
        normal: Sequence[Float[np.ndarray, " _"]],
        anomalous: Float[np.ndarray, " a"],
        *,
        weights: Float64[np.ndarray, " a"],
    ) -> "SortedScores":
        """Sort each part on its own: many short sorts are quicker than a long one."""
        order = np.argsort(anomalous)
        above = np.append(np.cumsum(weights[order][::-1])[::-1], 0.0)
        return cls(tuple(np.sort(part) for part in normal), anomalous[order], above)

    def counts(self, edges: Float64[np.ndarray, " k"]) -> Float64[np.ndarray, "3 k"]:
        """How much lies at or above each edge: normal, anomalous, anomalous weight."""
        normal = np.zeros(len(edges))
        for part in self.normal:
            normal += len(part) - np.searchsorted(part, edges)
        below = np.searchsorted(self.anomalous, edges)
        return np.stack([normal, len(self.anomalous) - below, self.weight_above[below]])

    def candidates(self, number: int) -> Float64[np.ndarray, " c"]:
        """Scores that would be good edges, about this many of each kind, strictly rising.

        A score picked twice is held by many: it gets a bin of its own, up to the next float.
        """
        each = -(-number // len(self.normal))
        picks = [part[len(part) - _log_ranks(len(part), each)] for part in self.normal]
        if len(self.anomalous):
            evenly = np.linspace(0, len(self.anomalous) - 1, number).astype(np.int64)
            weight = np.linspace(-self.weight_above[0], 0.0, number, endpoint=False)
            heavy = np.searchsorted(-self.weight_above[:-1], weight, side="right") - 1
            picks += [self.anomalous[evenly], self.anomalous[heavy]]
        found = np.sort(np.concatenate(picks).astype(np.float64))
        again = ~_is_first(found)
        found[again] = np.nextafter(found[again], np.inf)
        return found[_is_first(found)]


@dataclass(frozen=True)
class RankSummary:
    """Bounds on how much lies at or above each edge.

    Attributes:
        edges: Rising; the first is −∞, where the bounds are the totals.
        low: At least this much: normal scores, anomalous scores, anomalous weight.
        high: At most this much.
    """

    edges: Float64[np.ndarray, " k"]
    low: Float64[np.ndarray, "3 k"]
    high: Float64[np.ndarray, "3 k"]

    @classmethod
    def empty(cls) -> "RankSummary":
        """No score yet."""
        return cls(np.array([-np.inf]), np.zeros((3, 1)), np.zeros((3, 1)))

    @property
    def totals(self) -> Float64[np.ndarray, "3"]:
        """How much there is: normal scores, anomalous scores, anomalous weight."""
        return self.low[:, 0]

    def add(self, scores: SortedScores, *, bins: int) -> "RankSummary":
        """These scores too, and new edges where more than 2 / bins of the scale falls between."""
        counts = scores.counts(self.edges)
        grown = RankSummary(self.edges, self.low + counts, self.high + counts)
        is_full = -np.diff(_position(grown._middle()), append=0.0) > 2.0 / bins
        wanted = scores.candidates(bins)
        last = np.searchsorted(self.edges, wanted, side="right") - 1
        is_new = is_full[last] & (wanted > self.edges[last])
        fresh = wanted[is_new]
        low, high = self.bounds(fresh)
        counts, place = scores.counts(fresh), last[is_new] + 1
        return RankSummary(
            edges=np.insert(grown.edges, place, fresh),
            low=np.insert(grown.low, place, low + counts, axis=1),
            high=np.insert(grown.high, place, high + counts, axis=1),
        ).thinned(bins)

    def bounds(
        self, edges: Float64[np.ndarray, " m"]
    ) -> tuple[Float64[np.ndarray, "3 m"], Float64[np.ndarray, "3 m"]]:
        """What is known at other edges."""
        above = np.searchsorted(self.edges, edges, side="left")
        below = np.searchsorted(self.edges, edges, side="right") - 1
        return np.pad(self.low, ((0, 0), (0, 1)))[:, above], self.high[:, below]

    def thinned(self, bins: int) -> "RankSummary":
        """At most bins + 1 edges, evenly over the scale; as it is up to twice as many.

        The counts at edges that stay are as true as before.
        """
        if len(self.edges) <= 2 * bins:
            return self
        step = np.floor(_position(self._middle()) * bins)
        keep = np.diff(step, prepend=np.inf) != 0.0
        return RankSummary(self.edges[keep], self.low[:, keep], self.high[:, keep])

    def curve(self, *, weighted: bool) -> Curve:
        """The curve through the middle of the bounds."""
        falling = self._middle()[:, ::-1]
        false, true = falling[0], falling[2 if weighted else 1]
        gains = np.diff(true, prepend=0.0) > 0.0
        return Curve(
            thresholds=self.edges[::-1][gains],
            true_at=true[gains],
            false_above=np.append(0.0, false[:-1])[gains],
            false_at=false[gains],
            normals=int(self.totals[0]),
        )

    def area_range(self, *, limit: float, weighted: bool) -> Interval:
        """Where `Curve.area` of all the scores lies for certain: stairs below and above it."""
        kind = 2 if weighted else 1
        low, high = (
            np.pad(bound[[0, kind], ::-1] / self.totals[[0, kind], None], ((0, 0), (1, 0)))
            for bound in (self.low, self.high)
        )
        above = np.append(np.inf, self.edges[:0:-1])
        is_tie = np.nextafter(self.edges[::-1], np.inf) == above  # no float lies between
        # The lowest curve meets false alarms late and hits late; the highest is its mirror image.
        return Interval(
            low=area_below(*_stairs(high[0], low[1], is_tie=is_tie), limit=limit),
            high=area_below(*reversed(_stairs(high[1], low[0], is_tie=is_tie)), limit=limit),
        )

    def _middle(self) -> Float64[np.ndarray, "3 k"]:
        return (self.low + self.high) / 2.0


def merge_summaries(parts: Sequence[RankSummary], *, bins: int) -> RankSummary:
    """All parts together; exact at edges that all of them share."""
    edges = np.unique(np.concatenate([part.edges for part in parts]))
    low, high = np.zeros((3, len(edges))), np.zeros((3, len(edges)))
    for part in parts:
        part_low, part_high = part.bounds(edges)
        low += part_low
        high += part_high
    return RankSummary(edges, low, high).thinned(bins)


def _position(counts: Float64[np.ndarray, "3 k"]) -> Float64[np.ndarray, " k"]:
    """Where each edge lies on the scale that bins share evenly: 1 at −∞, falling to 0."""
    log_false = np.log1p(counts[0])
    scale = np.stack([log_false, *counts[1:]])
    return np.array([0.5, 0.25, 0.25]) @ (scale / np.maximum(scale[:, :1], 1e-300))


def _stairs(
    x: Float64[np.ndarray, " k"], y: Float64[np.ndarray, " k"], *, is_tie: Bool[np.ndarray, " k-1"]
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """From point to point first along x, then along y; straight where the scores are a tie."""
    corner = np.where(is_tie, y[1:], y[:-1])
    return np.append(0.0, np.repeat(x[1:], 2)), np.append(0.0, np.stack([corner, y[1:]], 1).ravel())


def _is_first(rising: Float64[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Where a value differs from the one before."""
    is_first = np.ones(len(rising), dtype=bool)
    is_first[1:] = rising[1:] != rising[:-1]
    return is_first


def _log_ranks(size: int, number: int) -> Int[np.ndarray, " m"]:
    """Ranks from 1 (the highest score) to the size, evenly over their logarithm."""
    return np.unique(np.geomspace(1, size, number).astype(np.int64)) if size else np.zeros(0, int)
