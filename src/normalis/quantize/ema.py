"""The vector quantiser whose codes are moving averages of what they were nearest to."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from normalis.quantize.nearest import code_counts, kmeans, nearest_codes, straight_through

__all__ = ["EMAQuantizer", "Quantized"]


@dataclass(frozen=True)
class Quantized:
    """What a quantiser says of a batch of vectors.

    Attributes:
        values: `n d`, the nearest codes; their gradient passes straight through to the input.
        codes: `n`, the index of the nearest code.
        commitment: Mean over all elements of (sg[code] - input)^2.
        usage: `k`, how many vectors took each code.
    """

    values: Float[Tensor, "n d"]
    codes: Int[Tensor, " n"]
    commitment: Float[Tensor, ""]
    usage: Float[Tensor, " k"]


class EMAQuantizer(nn.Module):
    r"""Codes $e_1..e_K$ that follow their inputs by an exponential moving average.

    A training step quantises with the old codes, then `update` moves them:
    $n \leftarrow \lambda n + (1-\lambda)\,count$,
    $m \leftarrow \lambda m + (1-\lambda) \sum inputs$,
    $e_k = m_k / \tilde n_k$ with $\tilde n_k = \frac{n_k + \epsilon}{\sum n + K\epsilon} \sum n$.
    Statistics are float32 and summed over processes, so every process holds the same codes.

    Args:
        size: $K$, the number of codes.
        dim: $d$, their dimension.
        decay: $\lambda$.
        epsilon: $\epsilon$.
        revive_below: A code whose moving count falls below this share of an even one, $\sum n / K$,
            is drawn anew from recent inputs, its statistics with it; 0 never revives.
        initial_count: $n$ at the start; 1, or the 0 of the published code, which throws every code
            that the first batch leaves out far away, for ever.

    References:
        VQ-Flow (METHODS §0.3); van den Oord et al., arXiv 1711.00937, appendix A.1.
    """

    codes: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(
        self,
        size: int,
        dim: int,
        *,
        decay: float = 0.99,
        epsilon: float = 1e-5,
        revive_below: float = 0.03,
        initial_count: float = 1.0,
    ) -> None:
        super().__init__()
        self.size, self.dim = size, dim
        self.decay, self.epsilon = decay, epsilon
        self.revive_below, self.initial_count = revive_below, initial_count
        self.register_buffer("codes", torch.empty(size, dim))
        self.register_buffer("counts", torch.empty(size))
        self.register_buffer("sums", torch.empty(size, dim))
        self.set_codes(torch.randn(size, dim))

    @torch.no_grad()
    def set_codes(self, codes: Float[Tensor, "k d"]) -> None:
        """Take these codes and start their statistics afresh."""
        self.codes.copy_(codes)
        self.counts.fill_(self.initial_count)
        self.sums.copy_(codes)

    @torch.no_grad()
    def set_codes_from(
        self, x: Float[Tensor, "n d"], generator: torch.Generator, *, restarts: int = 1
    ) -> None:
        """Take the k-means centres of `x` as codes."""
        self.set_codes(kmeans(x.float(), self.size, generator=generator, restarts=restarts))

    def quantize(self, x: Float[Tensor, "n d"]) -> Quantized:
        """The nearest code of every row of `x`; nothing is updated."""
        index = nearest_codes(x.detach().float(), self.codes)
        nearest = self.codes[index]
        return Quantized(
            values=straight_through(x, nearest),
            codes=index,
            commitment=F.mse_loss(x.float(), nearest),
            usage=code_counts(index, self.size),
        )

    @torch.no_grad()
    def update(
        self,
        x: Float[Tensor, "n d"],
        index: Int[Tensor, " n"],
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        """Move the codes towards the inputs that chose them.

        Args:
            x: The inputs of the step, this process's share.
            index: The codes they were given.
            generator: Picks the inputs from which dead codes are redrawn; in the same state on
                every process. Without one, nothing is revived.
        """
        x = x.detach().float()
        counts = _sum_over_processes(code_counts(index, self.size))
        sums = _sum_over_processes(torch.zeros_like(self.sums).index_add_(0, index, x))
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        total = self.counts.sum()
        smooth = (self.counts + self.epsilon) / (total + self.size * self.epsilon) * total
        self.codes.copy_(self.sums / smooth[:, None])
        if generator is not None and self.revive_below > 0:
            self._revive(x, generator)

    def _revive(self, x: Float[Tensor, "n d"], generator: torch.Generator) -> None:
        """Redraw the codes that nearly nothing chooses, and reset their statistics."""
        even = self.counts.sum() / self.size
        dead = (self.counts < self.revive_below * even).nonzero().flatten()
        if not len(dead):
            return
        fresh = _draw_rows(x, len(dead), generator)
        self.codes[dead] = fresh
        self.counts[dead] = even
        self.sums[dead] = fresh * even


def _draw_rows(
    x: Float[Tensor, "n d"], count: int, generator: torch.Generator
) -> Float[Tensor, "m d"]:
    """Rows of all processes' inputs, the same on every process."""
    first, total = _place_among_processes(x)
    pick = torch.randint(total, (count,), generator=generator).to(x.device) - first
    is_own = (pick >= 0) & (pick < len(x))
    rows = x.new_zeros(count, x.shape[1])
    rows[is_own] = x[pick[is_own]]
    return _sum_over_processes(rows)


def _place_among_processes(x: Float[Tensor, "n d"]) -> tuple[int, int]:
    """Where this process's rows begin among those of all, and how many there are in all."""
    if not (dist.is_initialized() and dist.get_world_size() > 1):
        return 0, len(x)
    sizes = torch.zeros(dist.get_world_size(), dtype=torch.long, device=x.device)
    sizes[dist.get_rank()] = len(x)
    sizes = _sum_over_processes(sizes)
    return int(sizes[: dist.get_rank()].sum()), int(sizes.sum())


def _sum_over_processes(x: Tensor) -> Tensor:
    """The sum of `x` over all processes."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(x)
    return x
