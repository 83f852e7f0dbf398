"""Latency under load: arrivals (pure), driver (async), summary (pure)."""
