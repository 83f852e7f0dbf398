"""Size classes: what "small" and "large" mean under the conventions people read.

There is no agreed border, and the class predicts little: it ignores active parameters, training tokens and
quantization. So the class is given under each named convention. Not covered: a convention of our own.
"""

from __future__ import annotations

from collections.abc import Mapping

from sizewise.records import ParameterCounts

CONVENTIONS: Mapping[str, tuple[tuple[float, str], ...]] = {
    "model guides (1B-7B, 8B-70B, 70B+)": (
        (1e9, "below the guide"), (8e9, "small"), (70e9, "medium"), (float("inf"), "large")),
    "powers of ten (100M, 1B, 10B)": (
        (1e8, "tiny"), (1e9, "small"), (1e10, "medium"), (float("inf"), "large")),
}  # fmt: skip
"""Convention -> (upper border in total parameters, class) pairs; a border belongs to the class above it."""


def size_classes(counts: ParameterCounts) -> dict[str, str]:
    """Return the class of a model under each convention, by total parameters of the language model.

    >>> from sizewise.models.reading import read_model
    >>> size_classes(read_model("Qwen/Qwen3-8B").counts)["powers of ten (100M, 1B, 10B)"]
    'medium'
    """
    return {name: next(word for border, word in steps if counts.total < border) for name, steps in CONVENTIONS.items()}


def why_little(counts: ParameterCounts, training_tokens: float | None) -> str:
    """Return one line that says why the class tells little about this model."""
    parts = []
    if counts.active < 0.5 * counts.total:
        parts.append(f"a token uses {counts.active / counts.total:.0%} of the parameters")
    if len(set(size_classes(counts).values())) > 1:
        parts.append("conventions disagree")
    if training_tokens:
        parts.append(f"it saw {training_tokens / counts.active:,.0f} training tokens per active parameter")
    parts.append("tokens trained on, quantization and your task move quality more than a border does")
    return "; ".join(parts)
