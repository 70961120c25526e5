"""Densities conditioned on concepts, and mixtures of them."""

from normalis.mixtures.concept_gaussian import ConceptGaussian, standard_normal_log_prob
from normalis.mixtures.hierarchical import HierarchicalMixture, HierarchicalTerms
from normalis.mixtures.located_gaussian import LocatedGaussian, LocatedMoments

__all__ = [
    "ConceptGaussian",
    "HierarchicalMixture",
    "HierarchicalTerms",
    "LocatedGaussian",
    "LocatedMoments",
    "standard_normal_log_prob",
]
