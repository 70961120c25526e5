"""VQ-Flow."""
