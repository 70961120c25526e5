"""Vector quantisers and k-means."""

from normalis.quantize.ema import EMAQuantizer, Quantized
from normalis.quantize.gradient import GradientQuantizer
from normalis.quantize.memory import ConceptMemory
from normalis.quantize.nearest import code_counts, kmeans, nearest_codes, perplexity
from normalis.quantize.selection import find_clusters, silhouettes

__all__ = [
    "ConceptMemory",
    "EMAQuantizer",
    "GradientQuantizer",
    "Quantized",
    "code_counts",
    "find_clusters",
    "kmeans",
    "nearest_codes",
    "perplexity",
    "silhouettes",
]
