"""Cache bytes against llama.cpp's own allocator, and against published vLLM numbers.

Run: `python benchmarks/models_cache.py`. Needs `cyllama` (llama.cpp with `no_alloc`), which is no dependency of
sizewise. Each model is a sparse file of true shape; llama.cpp plans its buffers without allocating them and prints
their sizes in MiB with two digits; ours are rounded the same way and must be equal.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from sizewise.models import catalog
from sizewise.models.cache import bytes_per_token, cache_parts
from sizewise.models.gguf_writing import write_sparse_gguf

MODELS = (
    "meta-llama/Llama-2-7b-hf", "meta-llama/Llama-3.1-70B-Instruct", "Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B",
    "google/gemma-2b", "zai-org/glm-4-9b-hf", "mistralai/Mistral-7B-Instruct-v0.1", "google/gemma-2-27b",
    "google/gemma-3-4b-it", "google/gemma-3-270m-it", "openai/gpt-oss-20b", "google/gemma-4-26B-A4B",
    "google/gemma-4-31B-it", "meta-llama/Llama-4-Scout-17B-16E-Instruct", "deepseek-ai/DeepSeek-V2-Lite",
    "deepseek-ai/DeepSeek-V3", "moonshotai/Kimi-K2-Instruct", "zai-org/GLM-5.1", "ibm-granite/granite-4.0-tiny-preview",
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

VLLM: tuple[tuple[str, int, int, float, str], ...] = ()
"""(model, tokens, tensor-parallel ranks, GiB of cache that vLLM reported for them, where)."""


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


def check_vllm() -> float:
    """Print each published number; return the worst relative difference."""
    worst = 0.0
    for name, tokens, ranks, gib, where in VLLM:
        arch = catalog.model(catalog.find(name) or {}).architecture
        assert arch is not None
        ours = bytes_per_token(arch, engine="vllm") * tokens / ranks / 2**30
        worst = max(worst, abs(ours / gib - 1))
        print(
            f"{name:44} vLLM {tokens:>9,} tokens / {ranks} ranks: {gib:8.2f} GiB published, {ours:8.2f} ours  {where}"
        )
    return worst


def main() -> int:
    """Print both parts and the bar."""
    with tempfile.TemporaryDirectory() as folder:
        compared, wrong = check_llama_cpp(Path(folder))
    worst = check_vllm()
    ok = wrong == 0 and worst <= 0.01
    print(
        f"llama.cpp: {compared - wrong} of {compared} contexts of {len(MODELS)} models equal (bar all); vLLM: worst "
        f"{100 * worst:.2f} % over {len(VLLM)} published numbers (bar 1 %): {'holds' if ok else 'FAILS'}"
    )
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
