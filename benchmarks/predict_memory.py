"""Predicted memory against the real llama.cpp on this machine: every buffer, and the peak of the process.

    python benchmarks/predict_memory.py [--quick] [--tool NAME=PATH ...]

Each case is a file of true shape (most with fewer layers, so that it loads here), loaded by the real engine. Truth:
the buffer sizes that the engine logs, and for the peak what the process holds after loading and its warm-up token,
plus the compute buffer, which is reserved then and touched by prompts that fill the context. Two predictors: asking the engine without weights, and the portable formulas. References in the same run: the
formulas of llmfit 1.1.17 (parameters x bytes + cache + 0.5 GB) and of gguf-parser (file + cache + graph with a full
logits buffer, no second copy), restated from their sources. With `--tool` the installed tools themselves are asked
about the same files (see `predict_tools.py`); llmfit knows whole models by name only, so whole models are added to
the cases for it. Exit code 0 when every buffer of the engine path is
within 1 % or 1 MiB, and the formulas' peak within 2 % at the median and 5 % at worst.
"""

# ruff: noqa: E501 (table rows)

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from predict_tools import TOOLS, ask, parse_tools, question
from sizewise.errors import SizewiseError
from sizewise.machines.engine_memory import ask_engine
from sizewise.machines.engine_run import EngineRun
from sizewise.models import catalog
from sizewise.models.architecture import count_parameters
from sizewise.models.configuration import read_architecture
from sizewise.models.gguf_writing import write_sparse_gguf
from sizewise.prediction.fitting import quantile
from sizewise.prediction.memory import llama_cpp_memory
from sizewise.prediction.predict import facts_of
from sizewise.records import Architecture, MemoryParts, Model
from sizewise.runtimes.engine_log import read_log

MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One shape in one setting; `layers` keeps the first ones only."""

    name: str
    mix: str
    context: int
    layers: int | None = None
    experts: int | None = None
    """Experts a layer, fewer than the model has; llama.cpp tells DeepSeek-V2-Lite by its count of layers."""
    flash: bool = True
    kv: str = "f16"


CASES = (
    Case(name="meta-llama/Llama-3.2-1B", mix="F16", context=4096, layers=4),
    Case(name="meta-llama/Llama-3.2-1B", mix="Q4_K_M", context=16384, layers=4, flash=False),
    Case(name="meta-llama/Llama-3.2-1B", mix="Q8_0", context=32768, layers=4, kv="q8_0"),
    Case(name="Qwen/Qwen2.5-0.5B", mix="Q4_K_M", context=512, layers=8),
    Case(name="Qwen/Qwen3-8B", mix="Q4_K_M", context=8192, layers=3),
    Case(name="microsoft/phi-4", mix="F16", context=2048, layers=2, flash=False),
    Case(name="google/gemma-3-1b-it", mix="Q8_0", context=16384, layers=12),
    Case(name="google/gemma-3-12b-it", mix="Q4_K_M", context=8192, layers=6, flash=False),
    Case(name="openai/gpt-oss-20b", mix="Q8_0", context=8192, layers=3),
    Case(name="Qwen/Qwen3-30B-A3B", mix="Q4_K_M", context=4096, layers=4),
    Case(name="deepseek-ai/DeepSeek-V2-Lite", mix="Q8_0", context=16384, experts=8),
    Case(name="deepseek-ai/DeepSeek-V2-Lite", mix="Q4_K_M", context=4096, experts=8, kv="f16"),
    Case(name="LiquidAI/LFM2-1.2B", mix="Q8_0", context=4096, layers=6),
    Case(name="Qwen/Qwen3.5-27B", mix="Q4_K_M", context=8192, layers=4),
    Case(name="state-spaces/mamba-130m-hf", mix="F16", context=512),
)
WHOLE = (
    Case(name="Qwen/Qwen2.5-0.5B", mix="Q4_K_M", context=4096),
    Case(name="Qwen/Qwen3-0.6B", mix="Q8_0", context=8192),
    Case(name="Qwen/Qwen3-1.7B", mix="Q4_K_M", context=8192),
    Case(name="google/gemma-3-1b-it", mix="Q8_0", context=16384),
    Case(name="LiquidAI/LFM2-1.2B", mix="Q4_K_M", context=8192),
)
"""Whole models, added where a tool is asked that knows models by name only."""
PARTS = ("weights", "kv_cache", "compute", "repack")


def architecture(case: Case) -> Architecture:
    """Return the catalog's shape, cut to the case's layers."""
    row = catalog.find(case.name)
    if row is None:
        raise SystemExit(f"{case.name} is not in the catalog")
    arch = read_architecture(catalog.configuration(row))
    layers = arch.layers[: case.layers]
    if case.experts:
        layers = tuple(
            replace(layer, experts=replace(layer.experts, count=case.experts)) if layer.experts else layer
            for layer in layers
        )
    return replace(arch, layers=layers)


def truth(path: Path, case: Case) -> tuple[dict[str, int], int]:
    """Return the engine's buffers, and its resident memory after loading plus the compute buffer."""
    with EngineRun(path, context_tokens=case.context, kv_type=case.kv, flash=case.flash, threads=1) as run:
        if run.resident_bytes is None:
            raise SystemExit("this system does not tell resident memory in /proc; run on Linux")
        buffers = read_log(run.log()).buffers_bytes
        return {part: buffers.get(part, 0) for part in PARTS}, run.resident_bytes + buffers.get("compute", 0)


def llmfit_bytes(arch: Architecture, case: Case, parameters: float) -> float:
    """Return llmfit's estimate: parameters x bytes by quantization, cache of full attention, half a gigabyte."""
    each = {"F16": 2.0, "Q8_0": 1.05, "Q4_K_M": 0.58}[case.mix]
    attends = [layer.attention for layer in arch.layers if layer.attention]
    first = attends[0] if attends else None
    cache = 2 * len(arch.layers) * first.kv_heads * first.head_dim * case.context * 2 if first else 0
    return parameters * each + cache + 0.5e9


def gguf_parser_bytes(arch: Architecture, parts: MemoryParts) -> float:
    """Return what gguf-parser adds up: file, full-length cache, graph and a float32 logits buffer twice."""
    return parts.weights + parts.kv_cache + parts.compute + 2 * 4 * arch.vocabulary * 512 + 250 * MIB


def _ask_tools(
    tools: dict[str, str], case: Case, arch: Architecture, path: Path,
    theirs: dict[str, list[float]], failed: dict[str, set[str]], peak: int,
) -> str:  # fmt: skip
    """Ask every installed tool about the case, add what it errs; return its answers as text."""
    text = ""
    for tool, program in tools.items():
        if tool == "llmfit" and case not in WHOLE:
            continue
        counts = count_parameters(arch)
        asked = question(case.name, arch, case.mix, case.context, case.kv, path, counts.total, counts.active)
        found, why = ask(tool, program, asked)
        if found is None:
            failed[tool].add(why)
            text += f"  {tool}: -"
        else:
            theirs[tool].append(abs(found / peak - 1))
            text += f"  {tool}: {off(found, peak).strip()}"
    return text


def off(predicted: float, true: float) -> str:
    """Return a signed error in percent."""
    return f"{predicted / true - 1:+7.1%}" if true else "      -"


def main() -> int:
    """Run the cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="Only the four smallest cases.")
    parser.add_argument("--tool", action="append", default=[], help=f"NAME=PATH, NAME one of {', '.join(TOOLS)}.")
    asked_for = parser.parse_args()
    tools = parse_tools(asked_for.tool)
    cases = tuple(CASES[i] for i in (3, 6, 12, 14)) if asked_for.quick else CASES
    cases += WHOLE if "llmfit" in tools else ()
    theirs: dict[str, list[float]] = {tool: [] for tool in tools}
    failed: dict[str, set[str]] = {tool: set() for tool in tools}
    print(
        f"{'case':46s} {'peak MiB':>9s} {'formula':>8s} {'engine':>8s} {'llmfit':>8s} {'gguf-p.':>8s}  worst buffer, engine path"
    )
    formula, engine, worst_buffers = [], [], []
    for case in cases:
        arch = architecture(case)
        model = Model(name=case.name, architecture=arch)
        facts = facts_of(model, case.mix)
        portable = llama_cpp_memory(facts, case.context, kv_type=case.kv, flash=case.flash)
        with tempfile.TemporaryDirectory() as work:
            path = Path(work) / "m.gguf"
            write_sparse_gguf(path, arch, case.mix)
            try:
                buffers, peak = truth(path, case)
                answers = _ask_tools(tools, case, arch, path, theirs, failed, peak)
                asked = ask_engine(arch, case.mix, case.context, kv_type=case.kv, flash=case.flash, use_stored=False)
            except SizewiseError as error:
                print(f"{case.name}: {error}")
                return 1
        gaps = {part: (abs(getattr(asked, part) - buffers[part]), buffers[part]) for part in PARTS}
        bad = max(gaps, key=lambda part: min(gaps[part][0] / MIB, gaps[part][0] / max(1, gaps[part][1]) * 100))
        worst_buffers.append(min(gaps[bad][0] / MIB, gaps[bad][0] / max(1, gaps[bad][1]) * 100))
        formula.append(abs(portable.peak / peak - 1))
        engine.append(abs(asked.peak / peak - 1))
        parameters = sum(size for size in facts.macs.values())
        label = f"{case.name.split('/')[1]}{f' {case.layers}L' if case.layers else ''} {case.mix} {case.context}"
        label += ("" if case.flash else " no-flash") + ("" if case.kv == "f16" else f" {case.kv}")
        print(f"{label:46s} {peak / MIB:9.0f} {off(portable.peak, peak)} {off(asked.peak, peak)} "
              f"{off(llmfit_bytes(arch, case, parameters), peak)} {off(gguf_parser_bytes(arch, portable), peak)}  "
              f"{bad} {gaps[bad][0] / MIB:.2f} MiB of {gaps[bad][1] / MIB:.1f}{answers}", flush=True)  # fmt: skip
    for tool, errors in theirs.items():
        figure = f"median {quantile(errors, 0.5):.1%}, worst {max(errors):.1%} off the peak" if errors else "no answer"
        print(f"{tool}, itself: {len(errors)} cases, {figure}{'; refused: ' if failed[tool] else ''}"
              f"{'; '.join(sorted(failed[tool]))}")  # fmt: skip
    median, worst = quantile(formula, 0.5), max(formula)
    print(f"{len(cases)} cases: worst buffer of the engine path {max(worst_buffers):.2f} (% or MiB, bar 1); peak by formulas "
          f"{median:.1%} median (bar 2 %), {worst:.1%} worst (bar 5 %); by the engine {quantile(engine, 0.5):.1%}, "
          f"{max(engine):.1%}")  # fmt: skip
    return 0 if max(worst_buffers) <= 1 and median <= 0.02 and worst <= 0.05 else 1


if __name__ == "__main__":
    sys.exit(main())
