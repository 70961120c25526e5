"""One Gaussian for each concept and place, fitted in closed form."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["LocatedGaussian", "LocatedMoments"]

# Pictures' worth of belief that a place looks like the rest of its picture.
MEAN_SHRINKAGE = 2.0
# Positions per channel's worth of belief that a concept varies as all concepts do.
COVARIANCE_SHRINKAGE = 4.0
# Share of the mean eigenvalue that every eigenvalue is raised by: directions in which the data
# hardly move are rounding noise of the features, and would be blown up.
EIGENVALUE_FLOOR = 1e-3


class LocatedMoments:
    """Sums of features for each concept, collected batch by batch in float64.

    Args:
        concepts: Number of concepts; with 1, pictures of every concept count as that one.
        shape: `(c, h, w)` of the maps, or `(c, 1, 1)` to treat all places alike.
    """

    def __init__(self, concepts: int, shape: tuple[int, int, int]) -> None:
        c, h, w = shape
        self.pictures = torch.zeros(concepts, dtype=torch.float64)
        self.sums = torch.zeros(concepts, c, h * w, dtype=torch.float64)
        self.products = torch.zeros(concepts, c, c, dtype=torch.float64)

    def add(self, x: Float[Tensor, "b c h w"], concept: Int[Tensor, " b"]) -> None:
        """Count a batch of maps of these concepts."""
        alike = self.sums.shape[2] == 1
        concept = _row(concept, len(self.pictures))
        for k in concept.unique().tolist():
            rows = x[concept == k].flatten(2)
            if alike:
                rows = rows.mT.flatten(0, 1)[:, :, None]
            self.pictures[k] += len(rows)
            self.sums[k] += rows.sum(0).double().cpu()
            flat = rows.transpose(0, 1).flatten(1)
            self.products[k] += (flat @ flat.T).double().cpu()

    def means(self) -> Float[Tensor, "k c n"]:
        """Mean at each place, drawn towards the concept's mean over places.

        A concept without pictures has the mean of all.
        """
        n = self.pictures[:, None, None]
        everywhere = self.sums.sum((0, 2)) / (self.pictures.sum() * self.sums.shape[2])
        own = torch.where(
            n > 0, self.sums.mean(2, keepdim=True) / n.clamp_min(1), everywhere[:, None]
        )
        return (self.sums + MEAN_SHRINKAGE * own) / (n + MEAN_SHRINKAGE)

    def covariances(self, means: Float[Tensor, "k c n"]) -> Float[Tensor, "k c c"]:
        """Covariance around these means over places, drawn towards that of all concepts."""
        n = self.pictures[:, None, None]
        cross = self.sums @ means.mT
        scatter = self.products - cross - cross.mT + n * (means @ means.mT)
        count = n * means.shape[2]
        pooled = scatter.sum(0) / count.sum()
        belief = COVARIANCE_SHRINKAGE * means.shape[1]
        return (scatter + belief * pooled) / (count + belief)


class LocatedGaussian(nn.Module):
    r"""Whitens features by what is usual for their concept at their place.

    $z = W_k (x - m_k(i,j))$ with the mean $m_k(i,j)$ of concept $k$ at each place and $W_k$ the
    inverse root of its covariance over all places. It is exact, invertible and set once from the
    training pictures; the flow behind it starts from the Mahalanobis distance to the right
    product's right place, and has only to learn what a Gaussian cannot say. It starts as the
    identity, of one concept.

    Args:
        concepts: Number of concepts; 1 serves pictures of every concept.
        shape: `(c, h, w)` of the maps, or `(c, 1, 1)` to treat all places alike.

    References:
        Ours; the mean by place is that of PaDiM (Defard et al., arXiv 2011.08785), made to serve
        many products by the concept.
    """

    mean: Tensor
    matrix: Tensor
    unmatrix: Tensor
    log_det: Tensor

    def __init__(self, concepts: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        c = shape[0]
        self.register_buffer("mean", torch.zeros(concepts, *shape))
        self.register_buffer("matrix", torch.eye(c).repeat(concepts, 1, 1))
        self.register_buffer("unmatrix", torch.eye(c).repeat(concepts, 1, 1))
        self.register_buffer("log_det", torch.zeros(concepts))

    @torch.no_grad()
    def set_moments(self, moments: LocatedMoments) -> None:
        """Set the step from the sums of the training pictures."""
        means = moments.means()
        values, vectors = torch.linalg.eigh(moments.covariances(means))
        values = values.clamp_min(0)
        values = values + EIGENVALUE_FLOOR * values.mean(-1, keepdim=True)
        self.mean.copy_(means.view_as(self.mean))
        self.matrix.copy_((vectors * values[:, None] ** -0.5) @ vectors.mT)
        self.unmatrix.copy_((vectors * values[:, None] ** 0.5) @ vectors.mT)
        self.log_det.copy_(-0.5 * values.log().sum(1))

    def forward(
        self, x: Float[Tensor, "b c h w"], concept: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Whiten: `z`, and the log-determinant at each position."""
        concept = _row(concept, len(self.mean))
        z = _mix(self.matrix[concept], x - self.mean[concept])
        return z, self._volume(x, concept)

    def inverse(
        self, z: Float[Tensor, "b c h w"], concept: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """Colour again: `x`, and the log-determinant of this direction."""
        concept = _row(concept, len(self.mean))
        x = _mix(self.unmatrix[concept], z) + self.mean[concept]
        return x, -self._volume(z, concept)

    def _volume(
        self, x: Float[Tensor, "b c h w"], concept: Int[Tensor, " b"]
    ) -> Float[Tensor, "b h w"]:
        """The log-determinant of each picture's concept, at every position."""
        return self.log_det[concept][:, None, None].expand(-1, *x.shape[2:])


def _row(concept: Int[Tensor, " b"], concepts: int) -> Int[Tensor, " b"]:
    """The row of each picture's concept; a table of one row serves all."""
    return concept if concepts > 1 else torch.zeros_like(concept)


def _mix(matrices: Float[Tensor, "b c c"], x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Each picture's matrix times the channels of its pixels, at full precision; channels last."""
    with torch.autocast(x.device.type, enabled=False):
        rows = x.permute(0, 2, 3, 1).flatten(1, 2)
        return (rows @ matrices.mT).unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
