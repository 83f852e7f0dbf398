"""Latency under load: arrivals (pure), driver (async), summary (pure).

It does not cover: conversations of several turns, proxies and HTTP/2, several machines that send together.
"""
