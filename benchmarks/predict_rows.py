"""The collected speed measurements as plain rows: read, cleaned by physics, sizes looked up.

A community row names a model and a speed; its weights are looked up in the collected catalog, else read from the name.
Kept are rows of one GPU, engines that read the whole model every token, and speeds that the memory could deliver.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

from sizewise.machines.devices import find_device
from sizewise.prediction.constants import device_class
from sizewise.prediction.fitting import SpeedRow

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared/data"

BODY_BITS = {
    "q4_k_m": 4.80,
    "q4_0": 4.5,
    "q8_0": 8.5,
    "q6_k": 6.5625,
    "q5_k_m": 5.65,
    "4bit": 4.5,
    "8bit": 8.5,
    "q3_k_m": 3.85,
}
HEAD_BITS = {"q4_k_m": 6.5625, "q4_0": 6.5625, "q5_k_m": 6.5625, "q3_k_m": 6.5625}
"""Bits per weight of the blocks and of the output head; llama.cpp keeps the head of small mixes in Q6_K."""
NAMED = {
    "phi-3.5-mini": 3.82, "phi3:mini": 3.82, "phi-3-medium": 13.96, "phi-4-mini": 3.84, "phi4-mini": 3.84,
    "phi-4": 14.66, "phi4": 14.66,
    "mistral-nemo": 12.25, "deepseek-r1:latest": 8.19, "granite-4.0-micro": 3.4, "llama3.2:latest": 3.21,
    "qwen3:latest": 8.19, "llama3:latest": 8.03, "llama3.1:latest": 8.03, "mistral:latest": 7.25,
}  # fmt: skip
"""Billions of parameters of names without a size."""
SPARSE = re.compile(
    r"moe|a\d+(\.\d+)?b|gpt-oss|e\d+b|mixtral|coder-v2|gemma-?4[:-]?(26b|latest)|nemotron|qwen3\.[568]:?-?(35b|122b)|lfm2?\.?5?:?(8b|24b|latest)|"
    r"granite-?4(\.0)?[:-](tiny|small|h)|ornith.?(1\.\d.)?35b|glm-4\.[57]|next|flash|laguna|jamba|mamba|kimi|ernie|muse|gemma-?4$|gemma-3n|"
    r"gigachat|mellum2|sarvam|ling|zaya|afmoe|trinity|ocr|vl|omni|audio|embedding|mtp|draft|35b|30b|21b|122b|80b|26b|20b-|bonsai|-h-|"
    r"qwen3-coder$|falcon-h1|speculative|eagle|dflash",
    re.IGNORECASE,
)
"""Names of models that do not read all their weights for a token, or that are not plain text decoders."""


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", text.lower())


def _sizes(data: Path) -> dict[str, tuple[float, float, float, int]]:
    """Return model key -> (parameters, embedding, head, layers)."""
    found = {}
    for line in (data / "catalog/models.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        part = row.get("params_breakdown") or {}
        if row["is_moe"] or not part.get("total"):
            continue
        tied = not part.get("lm_head")
        head = part["embed"] if tied else part["lm_head"]
        key = _key(row["id"].split("/")[-1])
        found[key] = (part["total"], 0.0 if tied else part["embed"], head, row["config"].get("num_hidden_layers") or 0)
    return found


def _size(name: str, table: dict[str, tuple[float, float, float, int]]) -> tuple[float, float, float, int] | None:
    base = name.split("/")[-1].lower()
    base = re.sub(
        r"[._:-]?(gguf|q\d(_k)?(_[msl0])?|mlx|4bit|8bit|bf16|fp16|qat|it-qat|ud|imatrix|instruct-?q.*)\b", "", base
    )
    base = re.sub(r"^(qwen|huggingfacetb|microsoft|mistralai|nvidia|thudm|baidu|meta)_", "", base)
    key = _key(base)
    for option in (key, key + "instruct", key + "it", key.removesuffix("instruct"), key.removesuffix("chat")):
        if option in table:
            return table[option]
    for word, billions in NAMED.items():
        if word in name.lower():
            return billions * 1e9, 0.0, 0.05e9, 32
    match = re.search(r"(?<![a-z0-9.])(\d+(?:[._]\d+)?)\s?(b|m)(?![a-z])", name.lower().replace("1-5b", "1.5b"))
    if not match:
        return None
    billions = float(match.group(1).replace("_", ".")) / (1000 if match.group(2) == "m" else 1)
    near = [row for row in table.values() if abs(row[0] / (billions * 1e9) - 1) < 0.15]
    if not near:
        return billions * 1e9, 0.0, 0.0, 32
    near.sort()
    typical = near[len(near) // 2]
    return (billions * 1e9, *typical[1:])


def _quantization(name: str, provider: str) -> str | None:
    text = name.lower().replace("-", "_")
    for mix in BODY_BITS:
        if mix.replace("-", "_") in text:
            return mix
    if re.search(r"q\d|fp8|fp4|mxfp|bf16|fp16|f16|awq|gptq|iq\d", text):
        return None
    return "q4_k_m" if provider == "ollama" and ":" in name else None


def community_rows(data: Path = DATA) -> list[SpeedRow]:
    """Return dense single-GPU rows that fit their GPU and do not beat its memory."""
    table = _sizes(data)
    rows = []
    for entry in json.loads((data / "speed/llmfit_community_benchmarks.json").read_text(encoding="utf-8")):
        hardware = entry["hardware"]
        device = find_device(hardware["hardwareName"])
        if hardware["gpuCount"] != 1 or device is None or device.bandwidth_bytes_per_s is None:
            continue
        for result in entry["results"]:
            name = result["model"]
            if SPARSE.search(name) or re.search(r"agent|cpu|gpu\d\d", name) or not result["avgTps"]:
                continue
            quantization, size = _quantization(name, result["provider"]), _size(name, table)
            if quantization is None or size is None:
                continue
            total, embedding, head, layers = size
            bits, head_bits = BODY_BITS[quantization], HEAD_BITS.get(quantization, BODY_BITS[quantization])
            read = (total - embedding - head) * bits / 8 + head * head_bits / 8
            memory = hardware["vramGb"] * (0.7 if hardware["unifiedMemory"] else 0.92) * 2**30
            stored = read + embedding * bits / 8
            if stored + 0.4e9 > memory or result["avgTps"] * read > device.bandwidth_bytes_per_s:
                continue
            rows.append(
                SpeedRow(
                    device=device.name,
                    device_class=device_class(device),
                    engine=result["provider"],
                    read_bytes=read,
                    bandwidth=device.bandwidth_bytes_per_s,
                    layers=layers,
                    sparse=False,
                    tokens_per_s=result["avgTps"],
                    shared_memory=device.vendor == "NVIDIA" and device.kind == "unified",
                    label=f"{name} {quantization} {total / 1e9:.2f}B",
                )
            )
    return rows


LLAMA2_7B = {"f16": 13.4773e9, "q8_0": 7.1613e9, "q4_0": 3.8257e9}
"""Bytes of the Llama-2-7B files of the Apple table (12.55, 6.67 and 3.56 GiB), embedding row excluded."""
GPT_OSS = {"gpt-oss-20b": (2.15e9, 24), "gpt-oss-120b": (2.94e9, 36)}
"""Bytes that a decode step reads: 4 experts of MXFP4 and attention, router and head in BF16/Q8_0; blocks."""


def apple_rows(data: Path = DATA) -> list[SpeedRow]:
    """Return the controlled llama-bench decode table of Apple chips (llama.cpp discussion 4167)."""
    rows = []
    for row in csv.DictReader((data / "speed/llamacpp_apple_m_4167.csv").open(encoding="utf-8")):
        for mix, size in LLAMA2_7B.items():
            if row[f"{mix}_tg128"]:
                rows.append(
                    SpeedRow(
                        device=row["chip"],
                        device_class="Apple",
                        engine="llamacpp",
                        read_bytes=size,
                        bandwidth=float(row["bw_gbps"]) * 1e9,
                        layers=32,
                        sparse=False,
                        tokens_per_s=float(row[f"{mix}_tg128"]),
                        label=f"Llama-2-7B {mix} {row['gpu_cores']} cores",
                    )
                )
    return rows


def gpt_oss_rows(data: Path = DATA) -> list[SpeedRow]:
    """Return the controlled llama-bench decode rows of gpt-oss in MXFP4 (llama.cpp discussion 15396)."""
    rows = []
    for row in csv.DictReader((data / "speed/llamacpp_gptoss_mxfp4.csv").open(encoding="utf-8")):
        name = re.sub(r" \d+c$| \d+GB$", "", row["hardware"])
        device = find_device(name)
        if device is None or device.bandwidth_bytes_per_s is None:
            raise SystemExit(f"{row['hardware']} is not in the device catalog")
        read, layers = GPT_OSS[row["model"]]
        rows.append(
            SpeedRow(
                device=device.name,
                device_class=device_class(device),
                engine="llamacpp",
                read_bytes=read,
                bandwidth=device.bandwidth_bytes_per_s,
                layers=layers,
                sparse=True,
                tokens_per_s=float(row["tg128"]),
                label=row["model"],
            )
        )
    return rows
