"""HGAD: a hierarchical Gaussian mixture behind a flow of single pixels."""
