"""Vector quantisers and k-means."""

from normalis.quantize.ema import EMAQuantizer, Quantized
from normalis.quantize.gradient import GradientQuantizer
from normalis.quantize.memory import ConceptMemory
from normalis.quantize.nearest import code_counts, kmeans, nearest_codes, perplexity
from normalis.quantize.selection import choose_centres, silhouette

__all__ = [
    "ConceptMemory",
    "EMAQuantizer",
    "GradientQuantizer",
    "Quantized",
    "choose_centres",
    "code_counts",
    "kmeans",
    "nearest_codes",
    "perplexity",
    "silhouette",
]
