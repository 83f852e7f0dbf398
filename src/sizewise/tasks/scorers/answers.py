"""How a scorer turns what it saw into a `Score`, the same way everywhere."""

from __future__ import annotations

from collections.abc import Mapping

from sizewise.records import Completion, Sample, Score, StopReason, Timing
from sizewise.tasks import failures


def completion(text: str, tool_calls: str | None = None) -> Completion:
    """Return a finished completion with this text: for solvers, tests and judging stored answers again.

    >>> completion("4").text
    '4'
    """
    stop = StopReason.TOOL_CALLS if tool_calls else StopReason.STOP
    return Completion(text=text, stop_reason=stop, timing=Timing(), tool_calls=tool_calls)


def judged(
    sample: Sample,
    answer: Completion,
    *,
    value: float,
    valid: bool = True,
    lenient: float | None = None,
    explanation: str = "",
    axes: Mapping[str, float] | None = None,
    hallucinated: bool = False,
) -> Score:
    """Return the score with refusal, abstention and hallucination filled in.

    A sample that is unanswerable is right exactly when the answer abstains; whatever else it says was made up. An
    answer that is right is never called refused, whatever words it starts with.
    """
    text = answer.text
    refused = failures.refused(text) and not answer.tool_calls
    abstained = failures.abstained(text) and not answer.tool_calls
    if sample.unanswerable:
        made_up = not (abstained or refused or failures.empty(text))
        return Score(
            value=1.0 if abstained else 0.0,
            valid=valid or abstained,
            lenient=1.0 if abstained else 0.0,
            refused=refused and not abstained,
            abstained=abstained,
            hallucinated=made_up,
            explanation="said that it is not known" if abstained else "the question has no answer, one was given",
        )
    wrong = value < 1.0 and (lenient is None or lenient < 1.0)
    return Score(
        value=value,
        valid=valid,
        lenient=lenient,
        refused=refused and wrong,
        abstained=abstained and wrong,
        hallucinated=hallucinated and not (refused or abstained),
        explanation=explanation,
        axes=dict(axes or {}),
    )
