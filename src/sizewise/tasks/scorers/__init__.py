"""Scorers: one file a family. Each gives a `Score`; none talks to a model or a network."""
