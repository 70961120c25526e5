"""Models for other runtimes: one graph from the prepared picture to map, score and p-value."""
