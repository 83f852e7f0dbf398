"""Rebuild the shipped scaling tables from the shared raw rows, and check that the shipped files equal them.

    python benchmarks/scaling_data.py [--shared ../shared/data] [--write]

The bar: every shipped table is byte for byte what its raw rows give.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
TASKS = ("MMLU", "ARC-C", "HellaSwag", "Winograd", "TruthfulQA", "GSM8K", "XWinograd", "HumanEval")
TOKENS = {"OPT": 0.3, "gemma-2b": 3.0, "btlm-3b": 0.627}
"""Known errors of the table's training tokens (trillions), by a part of the model's name."""


def rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        sys.exit(f"missing {path}: give the folder of the shared data with --shared")
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(header: tuple[str, ...], lines: list[tuple[object, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return out.getvalue()


def number(text: str | float, digits: int = 5) -> str:
    return f"{float(text):.{digits}g}" if text not in ("", None) else ""


def scores(shared: Path) -> str:
    """Base models' scores by size; one size is wrong in the source (open_llama_7b_v2 is 7 B, not 13 B)."""
    lines = []
    for row in rows(shared / "scaling/obsscaling/base_llm_benchmark_eval.csv"):
        size = "7.0" if row["Model"].endswith("open_llama_7b_v2") else row["Model Size (B)"]
        lines.append((row["Model"], row["Model Family"], number(size), *(number(row[task], 4) for task in TASKS)))
    return table(("model", "family", "size_b", *TASKS), lines)


def training(shared: Path) -> str:
    """Training tokens and parameters of public models."""
    lines = [
        (
            r["family"],
            r["model"],
            number(r["params_total_B"]),
            number(r["params_active_B"]),
            number(r["tokens_T"]),
            r["src_ND"],
        )
        for r in rows(shared / "scaling/model_families.csv")
        if r["params_total_B"]
    ]
    return table(("family", "model", "total_b", "active_b", "tokens_t", "source"), list(dict.fromkeys(lines)))


def quantizations(shared: Path) -> str:
    """Growth of log perplexity over 16 bit by average bits per weight."""
    folder, lines = shared / "scaling/quant", []
    old = rows(folder / "llama1_kquants_ppl.csv")
    sizes = {r["quant"]: float(r["size_gib(NA=cut off in stored excerpt)"]) for r in old if r["model"] == "7B"}
    for name, ratio in (("7B", 149), ("13B", 77)):
        full = next(float(r["ppl_wikitext2"]) for r in old if r["model"] == name and r["quant"] == "F16")
        for r in old:
            if r["model"] == name and r["quant"] != "F16":
                harm = math.log(float(r["ppl_wikitext2"]) / full)
                bits = 16 * sizes[r["quant"]] / sizes["F16"]
                lines.append(
                    (f"LLaMA-1-{name}", r["quant"], number(bits, 3), number(harm), ratio, 0, "llama.cpp PR 1684")
                )
    for name, file, ratio, source in (
        ("Llama-3-8B", "llama3_8b_gguf_ppl_kld.csv", 1868, "llama.cpp perplexity README"),
        ("Llama-3-70B", "llama3_70b_gguf_ppl.csv", 212, "llama.cpp PR 6745"),
    ):
        found = rows(folder / file)
        full = next(float(r["ppl_wikitext2"]) for r in found if r["quant"].lower() == "f16")
        for r in found:
            if r["quant"].lower() != "f16":
                harm = math.log(float(r["ppl_wikitext2"]) / full)
                matrix = int(r.get("imatrix", "None") != "None" or name.endswith("70B"))
                lines.append(
                    (name, r["quant"].upper(), r["bits_per_weight_approx"], number(harm), ratio, matrix, source)
                )
    return table(("model", "quantization", "bits", "harm", "tokens_per_parameter", "imatrix", "source"), lines)


def cases(shared: Path) -> str:
    """Published cases of the reality checks."""
    found = rows(shared / "scaling/reality_check.csv")
    keys = ("kind", "case", "numbers", "source", "verified")
    return table(keys, [tuple(r[k] for k in keys) for r in found])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=HERE.parent / "shared" / "data")
    parser.add_argument("--write", action="store_true", help="write the files instead of checking them")
    options = parser.parse_args()
    wrong = 0
    for name, make in (("scores", scores), ("training", training), ("quantization", quantizations), ("cases", cases)):
        target = HERE / "src/sizewise/data" / f"scaling_{name}.csv"
        text = make(options.shared)
        if options.write:
            target.write_text(text, encoding="utf-8")
        same = target.exists() and target.read_text(encoding="utf-8") == text
        wrong += not same
        state = "equal" if same else "DIFFERENT"
        print(f"{target.name:28s} {len(text.splitlines()) - 1:5d} rows {len(text):7d} bytes  {state}")
    print(f"tables that differ from their raw rows: {wrong} (bar: 0)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
