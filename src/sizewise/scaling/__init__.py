"""Scaling laws: published laws, fits, compute- and inference-optimal size."""
