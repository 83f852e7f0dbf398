"""One answer and its score -> one trial with every failure axis. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from sizewise.evaluation.repetition import looped
from sizewise.records import Completion, Price, Request, Score, StopReason, Trial, TrialKey

_CUT = (StopReason.LENGTH, StopReason.CONTEXT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is the same in every trial of a candidate on a task."""

    candidate: str
    task: str
    engine: str
    model_hash: str
    settings: str
    price: Price | None = None


def prompt_bytes(request: Request) -> bytes:
    """Return everything the model is given, in one piece: roles, contents, tools.

    >>> from sizewise.records import Message, Settings
    >>> prompt_bytes(Request(messages=(Message(role="user", content="hi"),), settings=Settings(), model="m"))
    b'user\\x1fhi'
    """
    parts = [f"{message.role}\x1f{message.content}" for message in request.messages]
    if request.tools:
        parts.append(request.tools)
    return "\x1e".join(parts).encode("utf-8", "surrogatepass")


def prompt_hash(prompt: bytes) -> str:
    """Return a hash of the prompt, 32 hexadecimal digits: equal prompts can be told from the store alone."""
    return blake2b(prompt, digest_size=16).hexdigest()


def cost_usd(price: Price | None, completion: Completion) -> float | None:
    """Return what the provider asks for one answer, None without a price or without token counts.

    >>> from sizewise.records import Timing
    >>> done = Completion(text="", stop_reason=StopReason.STOP, timing=Timing(), input_tokens=1000, output_tokens=100)
    >>> cost_usd(Price(input_usd_per_mtok=1.0, output_usd_per_mtok=10.0), done)
    0.002
    """
    if price is None or completion.input_tokens is None:
        return None
    output = completion.output_tokens if completion.output_tokens is not None else completion.counted_tokens
    return (completion.input_tokens * price.input_usd_per_mtok + output * price.output_usd_per_mtok) / 1e6


def make_trial(
    origin: Origin,
    key: TrialKey,
    completion: Completion,
    *,
    score: Score | None,
    hashed: str,
    seed: int,
    cluster: str | None,
    finished_at: float,
) -> Trial:
    """Return the trial of one answer; `score` is None when the request failed."""
    failed = completion.error is not None
    truncated = not failed and completion.stop_reason in _CUT
    text = completion.text
    logprobs = completion.logprobs
    return Trial(
        key=key,
        prompt_hash=hashed,
        answer=text,
        score=score,
        stop_reason=completion.stop_reason,
        timing=completion.timing,
        input_tokens=completion.input_tokens,
        output_tokens=completion.output_tokens,
        counted_tokens=completion.counted_tokens,
        truncated=truncated,
        empty=not failed and not completion.tool_calls and not text.strip(),
        looped=not failed and looped(text, truncated=truncated),
        retries=completion.retries,
        error=completion.error,
        mean_logprob=sum(logprobs) / len(logprobs) if logprobs else None,
        cost_usd=cost_usd(origin.price, completion),
        engine=origin.engine,
        model_hash=origin.model_hash,
        seed=seed,
        settings=origin.settings,
        task=origin.task,
        cluster=cluster,
        tool_calls=completion.tool_calls,
        finished_at=finished_at,
    )
