"""Densities conditioned on concepts."""

from normalis.mixtures.concept_gaussian import ConceptGaussian, standard_normal_log_prob
from normalis.mixtures.located_gaussian import LocatedGaussian, LocatedMoments

__all__ = ["ConceptGaussian", "LocatedGaussian", "LocatedMoments", "standard_normal_log_prob"]
