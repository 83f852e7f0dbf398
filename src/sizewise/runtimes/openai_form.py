"""The OpenAI form: requests as JSON bodies, streamed chunks gathered into a `Completion`.

Used by every runtime that speaks it: the embedded engine (llama.cpp's own server object takes the same
bodies), any OpenAI-compatible URL, vLLM. Does not cover images, audio, or several choices per request.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sizewise.records import Completion, ErrorClass, Message, Request, StopReason, Timing

_LARGEST = 1e300
_STOPS = {
    "stop": StopReason.STOP,
    "length": StopReason.LENGTH,
    "tool_calls": StopReason.TOOL_CALLS,
    "function_call": StopReason.TOOL_CALLS,
    "content_filter": StopReason.FILTER,
    "eos": StopReason.STOP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a server understands beyond the common form."""

    llama_cpp: bool = False
    """GBNF grammars, `cache_prompt`, and sampling chains that must be switched off to mean what Settings say."""
    logprobs: bool = False
    """Ask for the log-probability of each chosen token."""
    tokens_key: str = "max_tokens"
    """Newer OpenAI models refuse `max_tokens` and want `max_completion_tokens`."""
    unknown: frozenset[str] = frozenset()
    """Optional fields that the server refused: see `openai.DISPENSABLE`."""


def bare_prompt(messages: Sequence[Message]) -> str:
    """Return the text sent where there is no chat template: the contents, an empty line between them.

    >>> bare_prompt([Message(role="user", content="copy: abc =")])
    'copy: abc ='
    """
    return "\n\n".join(message.content for message in messages)


def request_body(request: Request, dialect: Dialect, *, chat: bool) -> dict[str, Any]:
    """Return the JSON body of a streamed request in the OpenAI form."""
    settings = request.settings
    body: dict[str, Any] = {
        "model": request.model,
        dialect.tokens_key if chat else "max_tokens": settings.max_output_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "seed": settings.seed,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if chat:
        body["messages"] = [{"role": message.role, "content": message.content} for message in request.messages]
    else:
        body["prompt"] = bare_prompt(request.messages)
    if settings.stop:
        body["stop"] = list(settings.stop)
    if request.tools and chat:
        body["tools"] = json.loads(request.tools)
    elif dialect.logprobs:
        body["logprobs"] = True if chat else 1
    if settings.json_schema:
        schema = json.loads(settings.json_schema)
        if dialect.llama_cpp and not chat:
            body["json_schema"] = schema
        else:
            form = {"name": "answer", "schema": schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
    if dialect.llama_cpp:
        body |= {"cache_prompt": False, "top_k": 0, "min_p": 0.0}
        if settings.grammar:
            body["grammar"] = settings.grammar
    return {key: value for key, value in body.items() if key not in dialect.unknown} if dialect.unknown else body


class Gatherer:
    """Collects the chunks of one answer. `feed` wants each chunk with the time its bytes arrived."""

    __slots__ = (
        "_calls", "_logprobs", "_reasoning", "_stamps", "_texts",
        "characters", "done", "error", "fed", "stop", "timings", "usage",
    )  # fmt: skip

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._stamps: list[float] = []
        self._reasoning = 0
        self._logprobs: list[float] = []
        self._calls: dict[int, list[str]] = {}
        self.usage: dict[str, Any] | None = None
        self.timings: dict[str, Any] | None = None
        self.error: dict[str, Any] | None = None
        self.stop: str | None = None
        self.characters = 0
        self.fed = False
        """Some chunk in the right form has come."""
        self.done = False
        """The stream said `[DONE]`."""

    def feed(self, stamp_s: float, chunk: dict[str, Any]) -> None:
        """Take one decoded chunk. Raises AttributeError, KeyError or TypeError where it has not the OpenAI form."""
        choices = chunk.get("choices")
        if choices:
            self._choice(stamp_s, choices[0])
        elif "error" in chunk:
            error = chunk["error"]
            self.error = error if isinstance(error, dict) else {"message": str(error)}
        elif not any(key in chunk for key in ("choices", "usage", "timings")):
            raise KeyError(f"no choices in {str(chunk)[:200]}")
        self.fed = True
        if isinstance(chunk.get("usage"), dict):
            self.usage = chunk["usage"]
        if isinstance(chunk.get("timings"), dict):
            self.timings = chunk["timings"]

    def _choice(self, stamp_s: float, choice: dict[str, Any]) -> None:
        delta = choice.get("delta")
        if delta is None:
            delta = choice.get("message") or {}
        text = choice.get("text") or delta.get("content")
        if delta.get("reasoning_content") or delta.get("reasoning"):
            self._reasoning += 1
        if text:
            if not isinstance(text, str):
                text = "".join(part["text"] for part in text if part.get("type") == "text")
            self._texts.append(text)
            self.characters += len(text)
            self._stamps.append(stamp_s)
        if delta.get("tool_calls"):
            self._tool_calls(stamp_s, delta["tool_calls"])
        if choice.get("logprobs"):
            self._probabilities(choice["logprobs"])
        if choice.get("finish_reason"):
            self.stop = str(choice["finish_reason"])

    def _tool_calls(self, stamp_s: float, pieces: list[dict[str, Any]]) -> None:
        for piece in pieces:
            function = piece.get("function") or {}
            name, arguments = function.get("name") or "", function.get("arguments") or ""
            place = piece.get("index")
            if place is None:  # some servers send each call whole and do not number them
                place = len(self._calls) if name else len(self._calls) - 1
            call = self._calls.setdefault(int(place), ["", ""])
            call[0] += name
            call[1] += arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        self._stamps.append(stamp_s)

    def _probabilities(self, told: dict[str, Any]) -> None:
        values = [token.get("logprob") for token in told["content"]] if told.get("content") else None
        for value in values or told.get("token_logprobs") or ():
            number = _number(value)
            if number is not None:
                self._logprobs.append(number)

    @property
    def begun(self) -> bool:
        """Whether any text or tool call has come."""
        return bool(self._stamps)

    def completion(
        self,
        *,
        intended_s: float,
        started_s: float,
        ended_s: float,
        asked: int,
        retries: int = 0,
        error: str | None = None,
    ) -> Completion:
        """Return the answer; times are on the clock of the stamps, `asked` is the output limit of the request.

        A length stop before the limit means that the context was full.
        """
        usage, timings, stamps = self.usage or {}, self.timings or {}, self._stamps
        output = _count(usage.get("completion_tokens", timings.get("predicted_n")))
        stop = _STOPS.get(self.stop, StopReason.UNKNOWN) if self.stop else StopReason.UNKNOWN
        if stop is StopReason.LENGTH and output is not None and output < asked:
            stop = StopReason.CONTEXT
        prefill, decode = _number(timings.get("prompt_ms")), _number(timings.get("predicted_ms"))
        return Completion(
            text=whole_text("".join(self._texts)),
            stop_reason=StopReason.ERROR if error else stop,
            timing=Timing(
                started_s=started_s - intended_s,
                ttft_s=stamps[0] - intended_s if stamps else None,
                total_s=ended_s - intended_s,
                gaps_s=tuple(map(float.__sub__, stamps[1:], stamps)),
                server_prefill_s=None if prefill is None else prefill / 1000,
                server_decode_s=None if decode is None else decode / 1000,
            ),
            input_tokens=_count(usage.get("prompt_tokens")),
            output_tokens=output,
            counted_tokens=len(stamps) + self._reasoning,
            logprobs=tuple(self._logprobs),
            tool_calls=self._called(),
            retries=retries,
            error=None if error is None else whole_text(error),
        )

    def _called(self) -> str | None:
        if not self._calls:
            return None
        calls = []
        for name, text in self._calls.values():
            try:
                arguments = json.loads(text)
            except (ValueError, RecursionError):
                arguments = text
            calls.append({"name": name, "arguments": arguments})
        return whole_text(json.dumps(calls, ensure_ascii=False))


def _count(value: Any) -> int | None:
    """Return a token count as the server tells it; None where it is no count."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _number(value: Any) -> float | None:
    """Return a finite number; None for anything else, NaN and infinity included."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
    return float(value) if known else None


def whole_text(text: str) -> str:
    """Return the text with characters that came in two halves put together; a lone half becomes U+FFFD.

    >>> whole_text("\\ud83d\\ude00"), whole_text("\\udce2\\udc82\\udcac")
    ('😀', '€')
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        pass
    else:
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def failed(kind: ErrorClass, why: str, *, intended_s: float, now_s: float, retries: int = 0) -> Completion:
    """Return the completion of a request that brought nothing."""
    return Gatherer().completion(
        intended_s=intended_s, started_s=intended_s, ended_s=now_s, asked=0, retries=retries, error=f"{kind}: {why}"
    )


def refusal_class(error: dict[str, Any], status: int | None = None) -> tuple[ErrorClass, str]:
    """Return the class and the words of an error object in the OpenAI form.

    >>> refusal_class({"code": 400, "message": "too long", "type": "exceed_context_size_error"})
    (<ErrorClass.TOO_LARGE: 'too_large'>, 'too long')
    """
    message = str(error.get("message") or error)[:500]
    code = error.get("code")
    number = status if status and status != 200 else code if isinstance(code, int) else 500
    kind = str(error.get("type") or "") + " " + str(code or "")
    if "exceed_context_size" in kind or "context_length_exceeded" in kind or "maximum context length" in message:
        return ErrorClass.TOO_LARGE, message
    if number == 429 or "rate_limit" in kind:
        return ErrorClass.RATE_LIMITED, message
    if "invalid_request" in kind or 400 <= number < 500:
        return ErrorClass.CLIENT, message
    return ErrorClass.SERVER, message
