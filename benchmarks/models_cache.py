"""Cache bytes against llama.cpp's own allocator, and against published vLLM numbers.

Run: `python benchmarks/models_cache.py`. Needs `cyllama` (llama.cpp with `no_alloc`), which is no dependency of
sizewise. Each model is a sparse file of true shape; llama.cpp plans its buffers without allocating them and prints
their sizes in MiB with two digits; ours are rounded the same way and must be equal.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from sizewise.models import catalog
from sizewise.models.cache import cache_bytes, cache_parts
from sizewise.models.gguf_writing import write_sparse_gguf
from sizewise.records import Architecture

MODELS = (
    "meta-llama/Llama-2-7b-hf", "meta-llama/Llama-3.1-70B-Instruct", "Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B",
    "google/gemma-2b", "zai-org/glm-4-9b-hf", "mistralai/Mistral-7B-Instruct-v0.1", "google/gemma-2-27b",
    "google/gemma-3-4b-it", "google/gemma-3-270m-it", "openai/gpt-oss-20b", "google/gemma-4-26B-A4B",
    "google/gemma-4-31B-it", "meta-llama/Llama-4-Scout-17B-16E-Instruct", "deepseek-ai/DeepSeek-V2-Lite",
    "deepseek-ai/DeepSeek-V3", "moonshotai/Kimi-K2-Instruct", "ibm-granite/granite-4.0-tiny-preview",
    "nvidia/Nemotron-Cascade-2-30B-A3B", "nvidia/NVIDIA-Nemotron-Nano-12B-v2-Base", "tiiuae/Falcon-H1R-7B",
    "Qwen/Qwen3-Next-80B-A3B-Instruct", "Qwen/Qwen3.5-27B", "Qwen/Qwen3.5-35B-A3B", "LiquidAI/LFM2-1.2B",
    "state-spaces/mamba-1.4b-hf", "bigscience/bloom-560m", "EleutherAI/pythia-12b", "microsoft/Phi-4-mini-instruct",
)  # fmt: skip
GGML = {"f16": 1, "q8_0": 8, "q4_0": 2, "f32": 0, "bf16": 30}
SETTINGS = (
    {"context": 4096, "kv_type": "f16"},
    {"context": 32768, "kv_type": "f16"},
    {"context": 5000, "kv_type": "q8_0"},
    {"context": 16384, "kv_type": "q4_0", "micro_batch": 1024},
    {"context": 8192, "kv_type": "f16", "sequences": 4},
    {"context": 8192, "kv_type": "f16", "sequences": 4, "unified": False},
)
SIZE = re.compile(r"llama_(kv_cache|memory_recurrent): +size = +([\d.]+) MiB")

VLLM: tuple[tuple[str, str, int, float, int, int, str], ...] = (
    ("meta-llama/Llama-3.1-8B-Instruct", "bf16", 1, 3.81, 20000, 31232, "vllm#10517, 1,952 blocks of 16"),
    ("meta-llama/Llama-3.1-8B-Instruct", "bf16", 1, 2.89, 29000, 23648, "vllm#10517, 1,478 blocks of 16"),
    ("deepseek-ai/DeepSeek-V2-Lite", "bf16", -2, 12.13, 1024, 807792, "vllm#20665, 14 of 27 layers on a pipeline rank"),
    ("Qwen/Qwen3.6-35B-A3B", "fp8", 1, 5.98, 131072, 567978, "noonghunna/club-3090#612"),
    ("Qwen/Qwen3.6-35B-A3B", "fp8", 1, 6.01, 131072, 569878, "noonghunna/club-3090#652"),
    ("Qwen/Qwen3.6-27B", "fp8", 2, 4.99, 131072, 302921, "mitchross/talos-argocd-proxmox#1995 (3.8-27B, same shape)"),
)
"""(model, cache type, tensor-parallel ranks or -pipeline ranks, GiB of pool on a rank, longest sequence, tokens that
vLLM said the pool holds, where). Start-up logs whose model, settings and binding rank are stated; logs of several
ranks with unequal memory that show one of them (vllm#21348, #13061) or with speculative decoding (club-3090#594) say
nothing."""


def sharded(arch: Architecture, ranks: int) -> Architecture:
    """Return what one rank holds: heads split by tensor parallelism, or the first half of the layers by pipeline."""
    if ranks < 0:
        return replace(arch, layers=arch.layers[: -(-len(arch.layers) // -ranks)])
    layers = []
    for layer in arch.layers:
        attention, mixer = layer.attention, layer.recurrent
        if attention and not attention.latent:
            attention = replace(attention, kv_heads=max(1, attention.kv_heads // ranks))
        if mixer:
            mixer = replace(
                mixer, state_elements=mixer.state_elements // ranks, conv_channels=mixer.conv_channels // ranks
            )
        layers.append(replace(layer, attention=attention, recurrent=mixer))
    return replace(arch, layers=tuple(layers))


def engine_mib(model: object, setting: dict[str, object], lines: list[str]) -> list[tuple[str, float]]:
    """Return (kind, MiB) of each buffer that llama.cpp plans for a context."""
    import cyllama.llama.llama_cpp as engine

    lines.clear()
    sequences = int(str(setting.get("sequences", 1)))
    parameters = engine.LlamaContextParams()
    parameters.n_ctx = int(str(setting["context"])) * sequences
    parameters.n_batch = parameters.n_ubatch = int(str(setting.get("micro_batch", 512)))
    parameters.n_seq_max, parameters.kv_unified = sequences, bool(setting.get("unified", True))
    parameters.type_k = parameters.type_v = GGML[str(setting["kv_type"])]
    parameters.flash_attn_type, parameters.swa_full = 1, False
    context = engine.LlamaContext(model, parameters)
    found = [(match.group(1), float(match.group(2))) for match in map(SIZE.search, lines) if match]
    context.close()
    return found


def check_llama_cpp(folder: Path) -> tuple[int, int]:
    """Print each model; return compared contexts and how many differ."""
    import cyllama.llama.llama_cpp as engine

    lines: list[str] = []
    engine.set_log_callback(lambda _, text: lines.append(text))
    engine.llama_backend_init()
    compared = wrong = 0
    for name in MODELS:
        arch = catalog.model(catalog.find(name) or {}).architecture
        assert arch is not None
        path = folder / "model.gguf"
        write_sparse_gguf(path, arch, "Q4_K_M")
        loading = engine.LlamaModelParams()
        loading.no_alloc, loading.use_mmap = True, False
        model = engine.LlamaModel(str(path), loading)
        bad = []
        for setting in SETTINGS:
            told = engine_mib(model, setting, lines)
            ours = cache_parts(
                arch,
                int(str(setting["context"])),
                **{key: value for key, value in setting.items() if key != "context"},  # type: ignore[arg-type]
            )
            theirs = sum(round(100 * size) for _, size in told)
            exact = sum(round(100 * part / 2**20) for part in ours.values())
            compared += 1
            if not told or abs(theirs - exact) > max(0, len(told) - 1):
                bad.append(f"{setting}: llama.cpp {theirs / 100:.2f}, ours {exact / 100:.2f} MiB")
        wrong += len(bad)
        print(f"{name:44} {arch.family:18} {len(SETTINGS) - len(bad)} of {len(SETTINGS)} equal {'; '.join(bad)}")
        del model
        path.unlink()
    return compared, wrong


SHIPPED = (
    ("zai-org/GLM-5.1", 5), ("deepseek-ai/DeepSeek-V3.2", 5), ("Qwen/Qwen3-8B", 4), ("google/gemma-3-4b-it", 12),
    ("Qwen/Qwen3-Next-80B-A3B-Instruct", 8), ("google/gemma-4-26B-A4B", 12), ("LiquidAI/LFM2-1.2B", 8),
)  # fmt: skip
"""(model, layers kept): asked of the engine that sizewise ships, which knows sparse attention's own cache; `cyllama`'s
older llama.cpp does not. Feed-forward widths and the vocabulary are cut, since no cache depends on them."""

CHILD = """
import os, sys
import xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path, parameters.n_ctx, parameters.n_parallel = sys.argv[1], 4096, 1
parameters.warmup, parameters.verbosity, parameters.cache_ram_mib = False, 4, 0
parameters.fit_params, parameters.no_extra_bufts, parameters.cpuparams.n_threads = False, True, 1
server = xllamacpp.Server(parameters)
os._exit(0)
"""


def shrunk(arch: Architecture, layers: int) -> Architecture:
    """Return the first layers with small feed-forward blocks and a small vocabulary; caches stay as they are."""
    kept = []
    for layer in arch.layers[:layers]:
        forward, experts = layer.feed_forward, layer.experts
        if forward:
            forward = replace(forward, width=256)
        if experts:
            shared = 256 if experts.shared_width else 0
            experts = replace(experts, count=8, used=2, width=256, shared_width=shared)
        kept.append(replace(layer, feed_forward=forward, experts=experts))
    return replace(arch, layers=tuple(kept), vocabulary=1024)


def check_shipped(folder: Path) -> int:
    """Print each model asked of the shipped engine; return how many differ."""
    wrong = 0
    for name, layers in SHIPPED:
        whole = catalog.model(catalog.find(name) or {}).architecture
        assert whole is not None
        arch, path = shrunk(whole, layers), folder / "small.gguf"
        write_sparse_gguf(path, arch, "Q8_0")
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, errors="replace"
        )
        told = [float(size) for _, size in SIZE.findall(done.stdout + done.stderr)]
        ours = sum(cache_parts(arch, 4096).values()) / 2**20
        bad = not told or abs(sum(told) - ours) > 0.005 * len(told)
        wrong += bad
        mark = "DIFFER" if bad else ""
        print(f"{name:36} {layers:3} layers, shipped engine {sum(told):8.2f} MiB, ours {ours:8.2f} {mark}")
        path.unlink()
    return wrong


def check_vllm() -> float:
    """Print each published number; return the worst relative difference of the tokens a pool holds."""
    worst = 0.0
    for name, kv_type, ranks, gib, longest, tokens, where in VLLM:
        arch = catalog.model(catalog.find(name) or {}).architecture
        assert arch is not None
        each = cache_bytes(sharded(arch, ranks), longest, kv_type=kv_type, engine="vllm")
        ours = gib * 2**30 / each * longest
        worst = max(worst, abs(ours / tokens - 1))
        print(f"{name:36} vLLM pool of {gib:5.2f} GiB: {tokens:>9,} tokens published, {ours:>11,.0f} ours  {where}")
    return worst


def main() -> int:
    """Print both parts and the bar."""
    with tempfile.TemporaryDirectory() as folder:
        compared, wrong = check_llama_cpp(Path(folder))
        shipped = check_shipped(Path(folder))
    worst = check_vllm()
    ok = wrong + shipped == 0 and worst <= 0.01
    print(
        f"llama.cpp: {compared - wrong} of {compared} contexts of {len(MODELS)} models equal and "
        f"{len(SHIPPED) - shipped} of {len(SHIPPED)} on the shipped engine (bar all); vLLM: worst "
        f"{100 * worst:.2f} % over {len(VLLM)} published numbers (bar 1 %): {'holds' if ok else 'FAILS'}"
    )
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
