"""Run the installed llama.cpp in a child process for measurements: load a file, time requests, see its memory.

Does not answer users: that is `runtimes`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from sizewise.errors import RuntimeFailure

_CHILD = Path(__file__).with_name("engine_child.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What the engine says of one request."""

    prompt_tokens: int
    prompt_s: float
    decode_tokens: int
    decode_s: float
    first_token_s: float
    """From the request to its first streamed piece, by the wall clock."""

    @property
    def step_s(self) -> float:
        """Seconds of one decode step: the first token comes with the prompt, so n tokens are n - 1 steps.

        >>> Timing(prompt_tokens=8, prompt_s=1.0, decode_tokens=5, decode_s=2.0, first_token_s=1.0).step_s
        0.5
        """
        return self.decode_s / max(1, self.decode_tokens - 1)


class EngineRun:
    """One loaded model; use as a context manager, its memory is free at the end."""

    def __init__(
        self,
        model_path: Path,
        *,
        context_tokens: int,
        threads: int | None = None,
        kv_type: str = "f16",
        flash: bool = True,
        micro_batch: int = 512,
    ) -> None:
        """Remember the settings; nothing is started yet."""
        self._config = {
            "mode": "time", "model_path": str(model_path), "context_tokens": context_tokens, "threads": threads,
            "kv_type": kv_type, "flash": flash, "micro_batch": micro_batch,
        }  # fmt: skip
        self._child: subprocess.Popen[str] | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self.load_s = 0.0
        self.resident_bytes: int | None = None
        """Resident size right after loading."""
        self.engine = ""

    def __enter__(self) -> EngineRun:
        """Start the child and load the model; RuntimeFailure with the engine's reason when that fails."""
        self._child = subprocess.Popen(
            [sys.executable, "-P", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        ready = self._say(self._config)
        if not ready.get("ready"):
            tail = self.log()[-400:]
            self.__exit__(None, None, None)
            raise RuntimeFailure(f"llama.cpp cannot load {self._config['model_path']}: {ready.get('error')}; {tail}")
        self.load_s = ready["load_s"]
        self.resident_bytes = ready.get("resident_bytes")
        self.engine = f"xllamacpp {ready['version']}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the child and wait for it."""
        if self._child:
            self._child.kill()
            self._child.communicate()
            self._child = None
        self._log.close()

    @property
    def pid(self) -> int | None:
        """The child's process id while it lives."""
        return self._child.pid if self._child else None

    def log(self) -> str:
        """Return what the engine has said so far; waits up to a second for it to say that the model is loaded."""
        until = time.monotonic() + 1.0
        while True:  # pread leaves the offset alone, which the child shares
            text = os.pread(self._log.fileno(), 1 << 24, 0).decode(errors="replace")
            if "model loaded" in text or time.monotonic() > until:
                return text
            time.sleep(0.005)

    def _say(self, message: dict[str, Any]) -> dict[str, Any]:
        child = self._child
        if child is None or child.stdin is None or child.stdout is None:
            raise RuntimeFailure("the engine is not running")
        try:
            child.stdin.write(json.dumps(message) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeFailure(f"the engine ended (code {child.poll()}): {self.log()[-400:]}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def time(self, prompt_tokens: int, output_tokens: int, *, first_token: int = 300, reuse: bool = False) -> Timing:
        """Return the engine's own timings of a prompt of made-up tokens and an answer of exactly that length.

        Prompts with different `first_token` share nothing. With `reuse` a prompt that was just read is not read again,
        so that decoding at depth can be timed many times.
        """
        prompt = [first_token + (index * 7 + first_token) % 97 for index in range(prompt_tokens)]
        reply = self._say({
            "prompt": prompt, "n_predict": output_tokens, "cache_prompt": reuse, "ignore_eos": True, "temperature": 0,
            "stream": True, "samplers": ["top_k"], "top_k": 1,
        })  # fmt: skip
        own = reply["timings"]
        if reply.get("error") or not own:
            raise RuntimeFailure(f"the engine refused a timing request: {reply.get('error') or 'no timings came'}")
        return Timing(
            prompt_tokens=own["prompt_n"],
            prompt_s=own["prompt_ms"] / 1000,
            decode_tokens=own["predicted_n"],
            decode_s=own["predicted_ms"] / 1000,
            first_token_s=reply["first_s"],
        )
