"""What HGAD minimises: the terms of its mixtures, weighted, in two stages."""

from dataclasses import dataclass, fields

import torch

from normalis.detectors.records import Assignment, Losses, Term
from normalis.mixtures.hierarchical import HierarchicalTerms

__all__ = ["Objective"]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Weights of the objective's terms (METHODS §2.3).

    Attributes:
        information: Of the mutual information.
        entropy: Of the entropy.
        first_stage: Share of the training without the terms of the classes' own centres.
        centre_rate: Learning rate of the mixture, in shares of the flow's.
        places: Positions of each map and picture that a step looks at; 0 for all.
    """

    information: float
    entropy: float
    first_stage: float
    centre_rate: float
    places: int

    def losses(self, terms: list[HierarchicalTerms], *, done: float, concept: Assignment) -> Losses:
        """The sum over the levels; held-out pictures are judged by the likelihood of their class.

        Args:
            terms: Of every level.
            done: Share of the training that lies behind, in [0, 1].
            concept: The classes of the pictures, for the log.
        """
        summed = _summed(terms)
        total = summed.inter - self.information * summed.information + self.entropy * summed.entropy
        if done >= self.first_stage:
            total = total + summed.intra + summed.likelihood
        return Losses(
            total=total,
            nll=summed.intra / len(terms),
            terms=tuple(Term(f.name, getattr(summed, f.name)) for f in fields(summed)),
            assignments=(concept,),
        )


def _summed(terms: list[HierarchicalTerms]) -> HierarchicalTerms:
    """The terms of all levels together."""
    return HierarchicalTerms(
        **{
            f.name: torch.stack([getattr(term, f.name) for term in terms]).sum()
            for f in fields(HierarchicalTerms)
        }
    )
