"""Which pictures are held out: by chance, evenly over strata, and never part of a group."""

import numpy as np
from jaxtyping import Bool, Int

from normalis.errors import SettingsError

__all__ = ["split_holdout"]


def split_holdout(
    strata: Int[np.ndarray, " n"],
    *,
    share: float,
    seed: int,
    groups: Int[np.ndarray, " n"] | None = None,
) -> Bool[np.ndarray, " n"]:
    """Choose the pictures to hold out, by chance and evenly over the strata.

    Args:
        strata: Each picture's stratum (a concept, a cluster or a folder).
        share: The share to hold out, in (0, 1); the total is as close to it as the rules allow.
        seed: The same seed and strata give the same choice.
        groups: Which part, patient or lot each picture shows. One is held out as a whole or not at
            all, counts as one, and belongs to the stratum of most of its pictures. Each picture is
            its own by default.

    Returns:
        True for a held-out picture: at least one group of a stratum of 4 or more, never all of it.

    Raises:
        SettingsError: If the share does not lie in (0, 1).
    """
    if not 0.0 < share < 1.0:
        raise SettingsError(f"The share to hold out lies between 0 and 1 (excluded), not {share}.")
    own = np.arange(len(strata)) if groups is None else groups
    _, part = np.unique(own, return_inverse=True)
    _, member, sizes = np.unique(
        _most_frequent(strata, part), return_inverse=True, return_counts=True
    )
    quota = _quotas(sizes, share)
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(member), dtype=bool)
    for stratum, count in enumerate(quota):
        held_out[generator.permutation(np.flatnonzero(member == stratum))[:count]] = True
    return held_out[part]


def _most_frequent(
    strata: Int[np.ndarray, " n"], part: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " g"]:
    """The stratum of most pictures of each part, the lowest of several."""
    names, member = np.unique(strata, return_inverse=True)
    table = np.zeros((part.max(initial=-1) + 1, max(1, len(names))), dtype=np.int64)
    np.add.at(table, (part, member), 1)
    return names[table.argmax(1)] if len(names) else np.zeros(0, dtype=np.int64)


def _quotas(sizes: Int[np.ndarray, " s"], share: float) -> Int[np.ndarray, " s"]:
    """How many to hold out of each stratum: the largest remainders fill up the total."""
    wished = share * sizes
    highest = np.maximum(sizes - 1, 0)
    quota = np.clip(np.floor(wished).astype(np.int64), np.where(sizes >= 4, 1, 0), highest)
    missing = round(share * int(sizes.sum())) - int(quota.sum())
    for stratum in np.argsort(quota - wished, kind="stable"):
        if missing > 0 and quota[stratum] < highest[stratum]:
            quota[stratum] += 1
            missing -= 1
    return quota
