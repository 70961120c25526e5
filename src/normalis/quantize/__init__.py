"""Vector quantisers and k-means."""

from normalis.quantize.ema import EMAQuantizer, Quantized
from normalis.quantize.nearest import code_counts, kmeans, nearest_codes, perplexity

__all__ = [
    "EMAQuantizer",
    "Quantized",
    "code_counts",
    "kmeans",
    "nearest_codes",
    "perplexity",
]
