"""The child process that holds llama.cpp: started by `engine_process`, never imported.

It speaks JSON lines. The first line on stdin is the configuration; the answer is a line with `ready`. Then
every line is a request, `{"id", "chat", "body"}` with `body` in the OpenAI form, or `{"cancel": id}`. A
request is answered by one line with every chunk and the second at which the engine gave it, read from the
system-wide monotonic clock. The end of stdin ends the process, so it never outlives its parent.

Only xllamacpp and small parts of the standard library are imported: ready in about 0.1 s with a tiny model.
"""

import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
from typing import Any

KEPT = ("choices", "usage", "timings", "error")
"""Parts of a chunk that the parent reads; the rest is the same in each."""


class Replies:
    """Writes one JSON line at a time to what was the standard output; the engine's prints go to the log."""

    def __init__(self) -> None:
        self._file = os.fdopen(os.dup(1), "wb", buffering=0)
        self._lock = threading.Lock()
        os.dup2(2, 1)

    def send(self, message: dict[str, Any]) -> None:
        """Write one message whole."""
        line = memoryview(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        with self._lock:
            while line:
                line = line[self._file.write(line) or 0 :]


def die_with_parent(parent: int, *, on: bool) -> None:
    """Ask Linux to kill this process with its parent: loading holds the interpreter, so stdin is not watched then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL if on else 0, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def peak_bytes() -> int | None:
    """Return this process's peak resident memory, bytes."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def load(config: dict[str, Any]) -> Any:
    """Return a llama.cpp server object with the model loaded."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = config["model_path"]
    params.n_parallel = config["slots"]
    params.n_ctx = config["context_tokens"] * config["slots"]
    if config["threads"]:
        params.cpuparams.n_threads = config["threads"]
        params.cpuparams_batch.n_threads = config["threads"]
    kind = getattr(xllamacpp.ggml_type, "GGML_TYPE_" + config["kv_type"].upper(), None)
    if kind is None:
        raise ValueError(f"unknown KV type {config['kv_type']!r}; llama.cpp knows f32, f16, bf16, q8_0, q5_1, q4_0 ...")
    params.cache_type_k = params.cache_type_v = kind
    params.cache_ram_mib = 0  # the default keeps up to 8 GiB of old prompts
    params.n_ctx_checkpoints = 0
    params.fit_params = False  # would change the settings that were asked for
    params.api_keys = [config["api_key"]]
    params.port = config["port"]
    params.n_threads_http = config["slots"] + 4 if config["http"] else 1
    params.ui = False
    params.endpoint_slots = False
    params.model_alias = {config["alias"]}
    params.verbosity = 4  # the level at which buffer sizes are told
    return xllamacpp.Server(params)


class Slots:
    """Threads that each answer one request at a time; the engine batches them."""

    def __init__(self, server: Any, replies: Replies, count: int) -> None:
        self._server = server
        self._replies = replies
        self._waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        for _ in range(count):
            threading.Thread(target=self._work, daemon=True).start()

    def take(self, message: dict[str, Any]) -> None:
        """Queue a request, or mark one as no longer wanted."""
        if "cancel" in message:
            self._cancelled.add(message["cancel"])
        else:
            self._waiting.put(message)

    def _work(self) -> None:
        while True:
            message = self._waiting.get()
            number = message["id"]
            chunks: list[tuple[float, dict[str, Any]]] = []
            started = time.monotonic()
            error = self._ask(number, message, chunks)
            reply = {"id": number, "started": started, "ended": time.monotonic(), "chunks": chunks, "error": error}
            self._cancelled.discard(number)
            self._replies.send({**reply, "peak_bytes": peak_bytes()})

    def _ask(self, number: int, message: dict[str, Any], chunks: list[tuple[float, dict[str, Any]]]) -> str | None:
        """Fill `chunks`; return the reason when the engine does not take the request, else None."""

        def on_chunk(chunk: dict[str, Any]) -> bool:
            chunks.append((time.monotonic(), {key: chunk[key] for key in KEPT if key in chunk}))
            return number in self._cancelled

        if number in self._cancelled:
            return "cancelled"
        ask = self._server.handle_chat_completions if message["chat"] else self._server.handle_completions
        try:
            ask(message["body"], on_chunk)
        except (ValueError, RuntimeError, TypeError) as problem:
            return str(problem)
        return None


def main() -> None:
    """Load the model, say so, and answer until stdin ends."""
    replies = Replies()
    config = json.loads(sys.stdin.buffer.readline())
    die_with_parent(config["parent"], on=True)
    began = time.monotonic()
    try:
        server = load(config)
    except (ValueError, RuntimeError, ImportError) as problem:
        replies.send({"ready": False, "error": str(problem)})
        return
    loaded = time.monotonic()
    die_with_parent(config["parent"], on=False)
    import xllamacpp

    ready = {"ready": True, "load_s": loaded - began, "address": server.listening_address}
    replies.send({**ready, "version": xllamacpp.__version__, "peak_bytes": peak_bytes()})
    slots = Slots(server, replies, config["slots"])
    for line in sys.stdin.buffer:
        slots.take(json.loads(line))
    os._exit(0)  # nothing to save, and a long decode must not hold the exit up


if __name__ == "__main__":
    main()
