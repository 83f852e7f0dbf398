"""Other people's memory estimators, asked in their own environments about the file that a benchmark loads.

    python -m venv T && T/bin/pip install hf-mem==0.5.6 llmfit==1.1.17 whichllm==0.5.21 "typer<0.20"
    python benchmarks/predict_memory.py --tool hf-mem=T/bin/python --tool whichllm=T/bin/python \\
        --tool llmfit=T/bin/llmfit

hf-mem and whichllm need a network to be run as they are meant to, so their own functions are called on what they would
have fetched: the file's header; the count of weights, the size of the file, the window. llmfit is run as it is, on the
models that it knows by name. A tool that fails is reported with its reason, not left out.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from sizewise.records import Architecture

TOOLS = ("hf-mem", "whichllm", "llmfit")
_HF_MEM = """
import json, sys
from hf_mem.gguf.metadata import parse_gguf_metadata
asked = json.loads(sys.argv[1])
with open(asked["path"], "rb") as file:
    raw = file.read(100_000_000)
found = parse_gguf_metadata(raw_metadata=raw, experimental=True, max_model_len=asked["context"],
                            kv_cache_dtype=asked["kv"].upper(), batch_size=1)
print(found.bytes_count + (found.kv_cache.cache_size if found.kv_cache else 0))
"""
_WHICHLLM = """
import json, sys
from whichllm.engine.vram import estimate_vram
from whichllm.models.types import GGUFVariant, ModelInfo
asked = json.loads(sys.argv[1])
model = ModelInfo(id=asked["name"], family_id="x", name=asked["name"], parameter_count=asked["parameters"],
                  parameter_count_active=asked["active"], is_moe=asked["active"] is not None,
                  sliding_window=asked["window"], sliding_window_global_ratio=asked["global_share"])
file = GGUFVariant(filename="m.gguf", quant_type=asked["mix"], file_size_bytes=asked["file_bytes"])
print(estimate_vram(model, file, asked["context"]))
"""


def parse_tools(given: list[str]) -> dict[str, str]:
    """Return tool -> program from NAME=PATH arguments; SystemExit for an unknown tool."""
    found = dict(text.split("=", 1) for text in given if "=" in text)
    unknown = [text for text in given if text.split("=", 1)[0] not in TOOLS or "=" not in text]
    if unknown:
        raise SystemExit(f"--tool {unknown[0]}: expected NAME=PATH with NAME one of {', '.join(TOOLS)}")
    return found


def question(
    name: str, arch: Architecture, mix: str, context: int, kv: str, path: Path, parameters: int, active: int
) -> dict[str, object]:
    """Return what a tool would have fetched of the model, from the shape that is measured."""
    attends = [layer.attention for layer in arch.layers if layer.attention]
    windows = [attention.window for attention in attends if attention.window]
    return {
        "name": name, "path": str(path), "mix": mix, "context": context, "kv": kv, "file_bytes": path.stat().st_size,
        "parameters": parameters, "active": active if any(layer.experts for layer in arch.layers) else None,
        "window": windows[0] if windows else None,
        "global_share": 1 - len(windows) / len(attends) if windows else None,
    }  # fmt: skip


def ask(tool: str, program: str, asked: dict[str, object]) -> tuple[float | None, str]:
    """Return (bytes, "") as the tool estimates, or (None, why not)."""
    if tool == "llmfit":
        command = [program, "plan", str(asked["name"]), "--context", str(asked["context"]),
                   "--quant", str(asked["mix"]), "--json"]  # fmt: skip
    else:
        command = [program, "-c", _HF_MEM if tool == "hf-mem" else _WHICHLLM, json.dumps(asked)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        return None, str(problem)
    if done.returncode:
        return None, (done.stderr.strip().splitlines() or ["no reason given"])[-1][:120]
    if tool == "llmfit":
        return json.loads(done.stdout)["minimum"]["vram_gb"] * 1e9, ""
    return float(done.stdout.strip().splitlines()[-1]), ""
