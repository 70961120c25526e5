"""Restorations: codes drawn anew wherever they are unlikely after those before them."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from normalis.prior.contract import AbstractPrior, AbstractReader, code_nll

__all__ = ["restore", "restore_by_recomputing"]

ROWS = 128  # restorations under way together: they bound the memory and change no answer


@torch.no_grad()
def restore(
    prior: AbstractPrior,
    codes: Int[Tensor, "b i j"],
    *,
    threshold: float,
    chance: Float[Tensor, "s n"],
    position: Float[Tensor, " b"] | None = None,
) -> Int[Tensor, "b s i j"]:
    r"""Scan each picture in raster order and draw anew each code with $-\log p > \lambda_p$.

    A place is judged given the codes before it as they then are. The same codes as
    `restore_by_recomputing` gives, from far less work: what precedes a picture's first change is
    computed once for all its restorations; from there several places are judged at once, as if no
    code were to change, and what lies behind the first that does is judged again. The restorations
    need not keep step with each other.

    Args:
        prior: In evaluation mode.
        codes: The pictures' grids of codes.
        threshold: $\lambda_p$, nats.
        chance: In [0, 1), one number for each restoration and place: which code is drawn there.
            The same for all pictures, so that a restoration depends on its picture alone.
        position: Where in its volume each slice lies.

    References:
        LSR (METHODS §3.3). To judge ahead and take back is speculative decoding (Leviathan et al.,
        arXiv 2211.17192) with the picture's own codes as the draft.
    """
    group = max(1, ROWS // len(chance))
    parts: list[Tensor] = []
    for start in range(0, len(codes), group):
        chosen = slice(start, start + group)
        where = None if position is None else position[chosen]
        reader = prior.reader(codes[chosen], where, copies=len(chance))
        parts.append(_Scan(reader, codes[chosen].flatten(1), chance, threshold).run())
    return torch.cat(parts).unflatten(2, codes.shape[1:])


@torch.no_grad()
def restore_by_recomputing(
    prior: AbstractPrior,
    codes: Int[Tensor, "b i j"],
    *,
    threshold: float,
    chance: Float[Tensor, "s n"],
    position: Float[Tensor, " b"] | None = None,
) -> Int[Tensor, "b s i j"]:
    """What `restore` gives, by its definition: the whole grid computed at every place.

    It needs nothing of the prior but its forward pass: the reference of tests and benchmarks.
    """
    copies = len(chance)
    rows = codes.repeat_interleave(copies, 0).flatten(1)
    where = None if position is None else position.repeat_interleave(copies)
    draws = chance.repeat(len(codes), 1)
    for place in range(rows.shape[1]):
        logits = prior(rows.unflatten(1, codes.shape[1:]), where).flatten(2)[:, :, place]
        changes = code_nll(logits, rows[:, place]) > threshold
        drawn = _draw(logits, draws[:, place])
        rows[:, place] = torch.where(changes, drawn, rows[:, place])
    return rows.unflatten(0, (len(codes), copies)).unflatten(2, codes.shape[1:])


class _Scan:
    """Restorations of a few pictures under way, one row each."""

    def __init__(
        self,
        reader: AbstractReader,
        codes: Int[Tensor, "b n"],
        chance: Float[Tensor, "s n"],
        threshold: float,
    ) -> None:
        self.reader = reader
        self.threshold = threshold
        self.shape = (len(codes), *chance.shape)
        self.done = codes.repeat_interleave(len(chance), 0)
        # Of the rows under way: their number among all, their codes, their draws, their next place.
        self.number = torch.arange(len(self.done), device=codes.device)
        self.codes = self.done.clone()
        self.chance = chance.repeat(len(codes), 1)
        self.next = torch.zeros_like(self.number)

    def run(self) -> Int[Tensor, "b s n"]:
        """Every row to its end."""
        logits = self.reader.first
        over = code_nll(logits, self.done[:: self.shape[1]]) > self.threshold
        copies = self.shape[1]
        self._advance(
            over.repeat_interleave(copies, 0), logits, self.number // copies, self.next.clone()
        )
        while self._drop_finished():
            width = min(self.reader.span(len(self.codes)), self.shape[2] - int(self.next.min()))
            logits = self.reader.ask(self.codes, self.next, width=width)
            places = self.next[:, None] + torch.arange(width, device=self.next.device)
            inside = places < self.shape[2]
            asked = self.codes.gather(1, places.clamp_max(self.shape[2] - 1))
            over = (code_nll(logits, asked) > self.threshold) & inside
            self._advance(over, logits, torch.arange(len(over), device=over.device), self.next)
        return self.done.view(self.shape)

    def _advance(
        self,
        over: Bool[Tensor, "r w"],
        logits: Float[Tensor, "p w k"],
        source: Int[Tensor, " r"],
        start: Int[Tensor, " r"],
    ) -> None:
        """Draw the first code of each row that is too unlikely, and go on behind it.

        Args:
            over: Which of the places judged are.
            logits: Of the places judged.
            source: The row of `logits` that belongs to each row.
            start: The first place judged.
        """
        hit = over.any(1)
        offset = over.int().argmax(1)
        rows = hit.nonzero()[:, 0]
        place = (start + offset)[rows]
        drawn = _draw(logits[source[rows], offset[rows]], self.chance[rows, place])
        self.codes[rows, place] = drawn
        self.next = start + torch.where(hit, offset + 1, over.shape[1])

    def _drop_finished(self) -> bool:
        """Store the codes, and let go of finished rows once they are half of all.

        Returns:
            Whether a row is left.
        """
        self.done[self.number] = self.codes
        going = (self.next < self.shape[2]).nonzero()[:, 0]
        if 2 * len(going) <= len(self.next):
            self.reader.keep(going)
            self.number, self.next = self.number[going], self.next[going]
            self.codes, self.chance = self.codes[going], self.chance[going]
        else:
            self.next = self.next.clamp_max(self.shape[2] - 1)
        return bool(len(going))


def _draw(logits: Float[Tensor, "r k"], chance: Float[Tensor, " r"]) -> Int[Tensor, " r"]:
    """The code at which the cumulated probability first exceeds `chance`."""
    cumulated = logits.double().softmax(1).cumsum(1)
    return (cumulated <= chance.double()[:, None]).sum(1).clamp_max(logits.shape[1] - 1)
