"""The exact command that runs a placed candidate, and the one that measures it. Not covered: containers, Kubernetes."""

from __future__ import annotations

from sizewise.prediction.facts import ShapeFacts
from sizewise.prediction.placement import Placement, Plan


def file_name(model: str, mix: str) -> str:
    """Return the usual name of a model's GGUF file.

    >>> file_name("Qwen/Qwen3-8B", "Q4_K_M")
    'Qwen3-8B-Q4_K_M.gguf'
    """
    return f"{model.rsplit('/', 1)[-1]}-{mix}.gguf"


def launch_command(model: str, mix: str, shape: ShapeFacts, placement: Placement, plan: Plan) -> str:
    """Return the command that serves the candidate as it was placed."""
    if plan.engine == "vllm":
        parts = [f"vllm serve {model} --max-model-len {plan.context_tokens} --max-num-seqs {plan.sequences}"]
        if placement.kind == "tensor parallel":
            parts.append(f"--tensor-parallel-size {len(placement.shares)}")
        return " ".join(parts)
    parts = [f"llama-server -m {file_name(model, mix)} -c {plan.context_tokens * plan.sequences} -np {plan.sequences}"]
    if plan.kv_type != "f16":
        parts.append(f"-ctk {plan.kv_type} -ctv {plan.kv_type}")
    if placement.kind in ("gpu", "unified", "split"):
        parts.append("-ngl 999")
    if placement.kind == "split":
        parts.append("-ts " + ",".join(f"{share:.2f}" for _, share in placement.shares))
    if placement.kind == "experts":
        parts.append("-ngl 999 --cpu-moe")
    if placement.kind == "partial":
        parts.append(f"-ngl {round(placement.shares[0][1] * shape.layers)}")
    return " ".join(parts)


def measure_command(model: str, mix: str, plan: Plan) -> str:
    """Return the command that measures quality on the user's own task, for the same file and context."""
    served = f"{model}@vllm" if plan.engine == "vllm" else file_name(model, mix)
    return f"sizewise run --task YOUR_TASK.jsonl --model {served} --context {plan.context_tokens}"
