"""What an answer of an OpenAI-compatible server says, whatever its server makes of the form. Pure.

It does not cover: which tools a model calls, refusals.
"""

from __future__ import annotations

import json
from typing import Any


def error_of_status(status: int) -> str:
    """Return the `ErrorClass` word for an HTTP status that is not 200.

    >>> error_of_status(429), error_of_status(503), error_of_status(404)
    ('rate_limited', 'server', 'client')
    """
    if status == 429:
        return "rate_limited"
    if status == 413:
        return "too_large"
    return "server" if status >= 500 else "client" if status >= 400 else "invalid_response"


def text_of(content: Any) -> str:
    """Return the text of a content field: a string, nothing, or a list of parts.

    >>> text_of([{"type": "text", "text": "a"}, {"type": "image"}]), text_of(None)
    ('a', '')
    """
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))


def count_of(value: Any) -> int | None:
    """Return a number of tokens, None where the server's is none.

    >>> count_of(12), count_of(12.0), count_of("x"), count_of(-1), count_of(float("inf"))
    (12, 12, None, None, None)
    """
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53
    return int(value) if known else None


def texts_of(event: dict[str, Any]) -> tuple[str, str]:
    """Return (answer text, other generated text such as reasoning or tool calls) of one parsed event."""
    choices = event.get("choices")
    if not choices:
        return text_of(event.get("content")), ""
    choice = choices[0]
    delta = choice.get("delta") or choice.get("message")
    if delta is None:
        return text_of(choice.get("text")), ""
    answer = text_of(delta.get("content"))
    other = delta.get("reasoning_content") or delta.get("reasoning") or ("tool" if delta.get("tool_calls") else "")
    return answer, other


def whole_answer(body: bytes) -> dict[str, Any]:
    """Return the JSON of an answer that was not streamed; ValueError says what came instead."""
    try:
        data = json.loads(body)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise ValueError(f"neither an event stream nor a JSON object: {body[:80].decode(errors='replace')!r}")
    return data
