"""What llama.cpp says of itself in its log: buffer sizes, trained context, whether there is a chat template.

Does not cover logs below verbosity 4, where the sizes are not told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sizewise.runtimes.base import EngineInfo

_BUFFER = re.compile(r"(\S+)\s+(model|KV|RS|compute|output)\s+buffer size\s*=\s*([0-9.]+) MiB")
_TRAINED = re.compile(r"n_ctx_train\s*=\s*(\d+)")
_PART = {"model": "weights", "KV": "kv_cache", "RS": "kv_cache", "compute": "compute", "output": "output"}
_NOISE = ("exiting due to model loading error", "fit params to free device memory", "cleaning up before exit")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """What one load told."""

    buffers_bytes: dict[str, int] = field(default_factory=dict)
    trained_context_tokens: int | None = None
    has_chat_template: bool = False


def read_log(text: str) -> LogFacts:
    """Return the facts in the log of one load; sizes are rounded to 0.01 MiB by llama.cpp.

    >>> read_log("load_tensors:   CPU_Mapped model buffer size =     0.25 MiB").buffers_bytes
    {'weights': 262144}
    """
    buffers: dict[str, int] = {}
    for device, kind, mib in _BUFFER.findall(text):
        part = "repack" if kind == "model" and "REPACK" in device else _PART[kind]
        buffers[part] = buffers.get(part, 0) + round(float(mib) * 2**20)
    trained = _TRAINED.search(text)
    return LogFacts(
        buffers_bytes=buffers,
        trained_context_tokens=int(trained.group(1)) if trained else None,
        has_chat_template="tokenizer.chat_template " in text,
    )


def reason_in_log(text: str) -> str:
    """Return the first abort or error line of a log, without its stamp; an empty string when there is none.

    >>> reason_in_log("0.00.1 I srv  init: x\\n0.00.2 E gguf_init: failed to open GGUF file 'a' (No such file)")
    "gguf_init: failed to open GGUF file 'a' (No such file)"
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[0-9.]+ E ", line) and not any(word in line for word in _NOISE)]
    aborts = [line for line in lines if "GGML_ASSERT" in line or "GGML_ABORT" in line]
    chosen = (aborts or errors or [""])[0]
    return re.sub(r"^[0-9.]+ [A-Z] ", "", chosen)[:500]


def engine_info(*, name: str, version: str, model_hash: str, load_s: float, asked_tokens: int, log: str) -> EngineInfo:
    """Return what a start of llama.cpp tells; `asked_tokens` is the context of one slot."""
    facts = read_log(log)
    notes = []
    trained = facts.trained_context_tokens
    if not facts.has_chat_template:
        notes.append("the model has no chat template: prompts are sent bare")
    if trained is not None and asked_tokens > trained:
        notes.append(f"context of {asked_tokens} tokens asked, the model was trained with {trained}")
    return EngineInfo(
        name=name,
        version=version,
        model_hash=model_hash,
        context_tokens=asked_tokens,
        load_s=load_s,
        buffers_bytes=facts.buffers_bytes,
        notes=tuple(notes),
    )
