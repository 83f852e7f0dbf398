"""Every exception of sizewise.

    SizewiseError
    ├── ConfigError        a study file, flag or setting cannot be understood
    ├── DataError          the user's data (JSONL, CSV, matrix) is broken: names the line
    ├── ModelError         a model file or reference cannot be read
    │   └── UnknownFact    a fact that the answer needs is missing: names the field
    ├── RuntimeFailure     an engine or server cannot be started or reached
    ├── SandboxRefused     generated code cannot be run safely here
    ├── StoreError         the database is locked, damaged or of another version
    └── NotIdentifiable    the data cannot carry the answer: says which data would

A message says what we saw (with the value), what we expected, and what to do next.
Expected failure is data (`Skipped`, `Trial.error`, an undecided verdict), not an exception.
"""

from __future__ import annotations


class SizewiseError(Exception):
    """Base of all errors that sizewise raises on purpose; its message is written for the user."""


class ConfigError(SizewiseError):
    """A study file, flag or setting cannot be understood."""


class DataError(SizewiseError):
    """The user's data is broken; the message names the file, the line and the reason."""


class ModelError(SizewiseError):
    """A model file or reference cannot be read."""


class UnknownFact(ModelError):
    """A fact that an answer needs is missing; the message names the field and where it could come from."""


class RuntimeFailure(SizewiseError):
    """An engine or a server cannot be started or reached."""


class SandboxRefused(SizewiseError):
    """Generated code cannot be run safely on this machine."""


class StoreError(SizewiseError):
    """The store is locked, damaged, or written by another version."""


class NotIdentifiable(SizewiseError):
    """The data cannot carry the answer; the message says which data would."""
