"""Densities over latents, conditioned on concepts."""

from normalis.mixtures.concept_gaussian import ConceptGaussian, standard_normal_log_prob

__all__ = ["ConceptGaussian", "standard_normal_log_prob"]
