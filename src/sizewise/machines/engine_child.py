"""The child process in which this room asks llama.cpp: started by path, never imported.

The first line on stdin is the configuration. In mode `memory` the engine is stopped by the parent as soon as it has
told its projection. In mode `time` the model is loaded, `ready` is answered, and every further line is a completion
request that is answered by the engine's own timings. The end of stdin ends the process.
"""

import json
import os
import signal
import sys
import time
from typing import Any


def _die_with_parent() -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def _params(config: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = config["model_path"]
    params.n_ctx = config["context_tokens"]
    params.n_parallel = 1
    params.cache_ram_mib = 0
    params.n_ctx_checkpoints = 0
    params.ui = False
    params.port = 0
    params.n_threads_http = 1
    params.api_keys = [os.urandom(16).hex()]
    params.verbosity = 4
    params.warmup = config["mode"] == "time"
    params.fit_params = config["mode"] == "memory"
    params.fit_params_print = config["mode"] == "memory"
    params.n_ubatch = config["micro_batch"]
    kind = getattr(xllamacpp.ggml_type, "GGML_TYPE_" + config["kv_type"].upper())
    params.cache_type_k = params.cache_type_v = kind
    flash = xllamacpp.llama_flash_attn_type
    params.flash_attn_type = (
        flash.LLAMA_FLASH_ATTN_TYPE_ENABLED if config["flash"] else flash.LLAMA_FLASH_ATTN_TYPE_DISABLED
    )
    if config.get("threads"):
        params.cpuparams.n_threads = config["threads"]
        params.cpuparams_batch.n_threads = config["threads"]
    return params


def _send(file: Any, message: dict[str, Any]) -> None:
    file.write(json.dumps(message).encode() + b"\n")
    file.flush()


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _ask(server: Any, request: dict[str, Any]) -> dict[str, Any]:
    last: dict[str, Any] = {}
    started = time.monotonic()

    def on_chunk(chunk: dict[str, Any]) -> bool:
        last.setdefault("first_s", time.monotonic() - started)
        last.update(chunk)
        return False

    server.handle_completions(request, on_chunk)
    return {"timings": last.get("timings", {}), "error": last.get("error"), "first_s": last.get("first_s")}


def main() -> None:
    """Load, answer, end."""
    _die_with_parent()
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    config = json.loads(sys.stdin.readline())
    import xllamacpp

    started = time.monotonic()
    try:
        server = xllamacpp.Server(_params(config))
    except (ValueError, RuntimeError) as problem:
        _send(replies, {"ready": False, "error": str(problem)})
        return
    ready = {"ready": True, "load_s": time.monotonic() - started, "version": xllamacpp.__version__}
    if sys.platform == "linux":
        ready["resident_bytes"] = _resident_bytes()
    _send(replies, ready)
    for line in sys.stdin:
        _send(replies, _ask(server, json.loads(line)))
    os._exit(0)


if __name__ == "__main__":
    main()
