"""GGUF and safetensors bytes against independent readers, and file sizes against a real quantizer's dry run.

Run: `python benchmarks/models_files.py`. Needs `cyllama` (llama.cpp with its quantizer), `gguf`, `safetensors` and
`torch` in the environment; none of them is a dependency of sizewise.

Three parts:
1. sparse GGUF files of true shape: bytes per tensor as we read them = as the `gguf` package reads them;
2. safetensors files and shards written by the `safetensors` package: bytes and elements = what was written;
3. file sizes from architecture and mix name alone against llama.cpp: the quantizer is run dry on a 16-bit file of true
   shape, and names the type of every tensor; llama.cpp's own table of Llama-3.1-8B files is checked too.
"""

from __future__ import annotations

import csv
import os
import re
import sys
import tempfile
from pathlib import Path

from sizewise.models import catalog
from sizewise.models.files import read_folder_model
from sizewise.models.ggml import FILE_TYPES, tensor_bytes
from sizewise.models.gguf_reading import read_gguf
from sizewise.models.gguf_writing import write_sparse_gguf
from sizewise.models.quantization import file_bytes, tensor_types, weight_bytes

SHAPES: dict[str, int | None] = {
    "meta-llama/Llama-3.1-8B-Instruct": 7818140, "meta-llama/Llama-3.1-70B-Instruct": 7818140,
    "Qwen/Qwen2.5-0.5B": 5928681, "Qwen/Qwen3-8B": 5928681, "Qwen/Qwen3-30B-A3B": 5928681,
    "Qwen/Qwen3-Next-80B-A3B-Instruct": 5928681, "mistralai/Mixtral-8x7B-Instruct-v0.1": 723869,
    "meta-llama/Llama-2-7b-hf": 723869, "microsoft/phi-3-mini-4k-instruct": 726019, "EleutherAI/pythia-12b": 1771431,
    "openai-community/gpt2-xl": 1766807, "bigcode/starcoder2-7b": 1719346, "deepseek-ai/DeepSeek-V2-Lite": 3970167,
    "CohereLabs/c4ai-command-r-v01": 10874545, "google/gemma-4-26B-A4B": 15776467, "google/gemma-2-27b": None,
    "google/gemma-3-4b-it": None, "bigscience/bloom-560m": None, "openai/gpt-oss-20b": None,
    "deepseek-ai/DeepSeek-V3": None, "ibm-granite/granite-4.0-tiny-preview": None, "LiquidAI/LFM2-1.2B": None,
    "nvidia/Nemotron-Cascade-2-30B-A3B": None, "tiiuae/Falcon-H1R-7B": None, "Qwen/Qwen3.5-27B": None,
    "state-spaces/mamba-1.4b-hf": None, "zai-org/GLM-4.7": None, "swiss-ai/Apertus-8B-2509": None,
}  # fmt: skip
"""Model -> bytes of its tokenizer in a GGUF file, as in llama.cpp's `models/ggml-vocab-*.gguf` (in the source package
of llama-cpp-python 0.3.36); None where llama.cpp ships no vocabulary: tensors are compared, the file's size is not."""
MIXES = ("Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_0", "Q4_K_S", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "IQ4_XS", "IQ4_NL",
         "IQ3_S", "IQ3_M")  # fmt: skip
TOLERANCE = 0.005
LINE = re.compile(r"\] +(\S+) +- \[([ \d,]+)\], type = +(\S+), size = +[\d.]+ MiB(?: -> +[\d.]+ MiB \((\S+)\))?")


def dry_run(source: Path, mix: str, lines: list[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return (type, shape) of every tensor as llama.cpp's quantizer decides it, without writing a file."""
    import cyllama.llama.llama_cpp as engine

    lines.clear()
    parameters = engine.LlamaModelQuantizeParams()
    parameters.ftype, parameters.dry_run, parameters.nthread = FILE_TYPES[mix], True, 1
    engine.model_quantize(str(source), str(source.with_suffix(".out")), parameters)
    found = {}
    for match in LINE.finditer("".join(lines)):
        shape = tuple(int(part) for part in match.group(2).split(","))
        found[match.group(1)] = ((match.group(4) or match.group(3)).upper(), shape)
    return found


def check_sizes(folder: Path) -> tuple[int, int, float, int]:
    """Return compared files, wrong tensor types, worst relative error of a file's size, architectures with a size."""
    import cyllama.llama.llama_cpp as engine

    lines: list[str] = []
    engine.set_log_callback(lambda _, text: lines.append(text))
    compared = wrong = 0
    worst, families = 0.0, set()
    for name, words in SHAPES.items():
        arch = catalog.model(catalog.find(name) or {}).architecture
        assert arch is not None
        source = folder / "f16.gguf"
        whole = write_sparse_gguf(source, arch, "F16", vocabulary=False)
        head = read_gguf(source).data_start
        errors = []
        for mix in MIXES:
            truth = dry_run(source, mix, lines)
            ours = tensor_types(arch, mix)
            wrong += len(set(truth) ^ set(ours))
            wrong += sum(ours[key] != kind for key, (kind, _) in truth.items() if key in ours)
            compared += 1
            data = sum(-(-tensor_bytes(kind, shape) // 32) * 32 for kind, shape in truth.values())
            errors.append(file_bytes(arch, mix) / (head + words + data) - 1 if words else 0.0)
        source.unlink()
        text = f"size error {100 * min(errors):+.3f} to {100 * max(errors):+.3f} %" if words else "types only"
        print(f"{name:42} {arch.family:18} F16 {whole / 1e9:8.2f} GB  {len(MIXES)} mixes  {text}")
        if words:
            families.add(arch.family)
            worst = max(worst, *(abs(error) for error in errors))
    return compared, wrong, worst, len(families)


def check_published(data: Path) -> float:
    """Return the worst difference in bits per weight from llama.cpp's table of Llama-3.1-8B files."""
    arch = catalog.model(catalog.find("meta-llama/Llama-3.1-8B") or {}).architecture
    assert arch is not None
    worst = 0.0
    with (data / "catalog" / "ggml_quants.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["kind"].startswith("file_type"):
                imatrix = row["type"].startswith(("IQ1", "IQ2", "IQ3"))
                bits = 8 * weight_bytes(arch, row["type"], imatrix=imatrix) / 8030261312
                worst = max(worst, abs(bits - float(row["bits_per_weight"])))
    return worst


def check_gguf_bytes(folder: Path) -> tuple[int, int]:
    """Return how many tensors of sparse files were compared with the `gguf` package, and how many differ."""
    from gguf import GGUFReader

    compared = wrong = 0
    for name in SHAPES:
        arch = catalog.model(catalog.find(name) or {}).architecture
        assert arch is not None
        path = folder / "x.gguf"
        write_sparse_gguf(path, arch, "Q4_K_M", vocabulary=False)
        truth = {tensor.name: int(tensor.n_bytes) for tensor in GGUFReader(path).tensors}
        ours = {tensor.name: tensor.bytes for tensor in read_gguf(path).tensors}
        compared += len(truth)
        wrong += sum(ours.get(key) != size for key, size in truth.items()) + len(set(ours) - set(truth))
        path.unlink()
    return compared, wrong


def check_safetensors(folder: Path) -> tuple[int, int]:
    """Return how many bytes were written by the `safetensors` package and how far our reading is off."""
    import json

    import torch
    from safetensors.torch import save_file

    weights: dict[str, str] = {}
    written = elements = 0
    for shard in range(3):
        kinds = (torch.float32, torch.float16, torch.bfloat16, torch.int8, torch.float8_e4m3fn, torch.int64, torch.bool)
        tensors = {f"t{shard}.{i}": torch.zeros(17 + i, 3 + shard).to(kind) for i, kind in enumerate(kinds)}
        name = f"model-{shard + 1:05d}-of-00003.safetensors"
        save_file(tensors, folder / name)
        weights |= dict.fromkeys(tensors, name)
        written += sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
        elements += sum(tensor.numel() for tensor in tensors.values())
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    model = read_folder_model(folder)
    return written, abs(sum(model.tensor_bytes.values()) - written) + abs((model.published_parameters or 0) - elements)


def main() -> int:
    """Print the three parts and the bar."""
    data = Path(os.environ.get("SIZEWISE_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
    if not (data / "catalog").is_dir():
        print(f"no raw data at {data}; give its folder in SIZEWISE_DATA", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        compared, wrong, worst, families = check_sizes(folder)
        tensors, differ = check_gguf_bytes(folder)
        written, off = check_safetensors(folder)
    bits = check_published(data)
    print(f"GGUF: {tensors} tensors against the gguf package, {differ} differ; safetensors: {written} bytes, {off} off")
    print(f"llama.cpp's table of Llama-3.1-8B files: worst difference {bits:.5f} bits per weight (printed to 4 digits)")
    print(f"{compared} files of {len(SHAPES)} models: {wrong} tensor types differ from the quantizer's")
    ok = wrong == 0 and differ == 0 and off == 0 and worst <= TOLERANCE and families >= 10 and bits <= 1e-4
    print(f"worst file-size error {100 * worst:.3f} % over {families} architectures (bar 0.5 % over 10), "
          f"byte differences {differ + off} (bar 0): "
          f"{'holds' if ok else 'FAILS'}")  # fmt: skip
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
