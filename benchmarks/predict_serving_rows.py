"""The published serving runs as rows, and the document of constants fitted on them."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

from sizewise.machines.devices import find_device
from sizewise.prediction.catalog_facts import catalog_shapes, entries
from sizewise.prediction.fitting import quantile, summary
from sizewise.prediction.serving import TPOT_TERMS, TTFT_TERMS, ServingCase
from sizewise.prediction.serving_fit import ServingRow, fit_serving, serving_left_out

ALIASES = {"Qwen/Qwen3-235B-A22B-FP8": "Qwen/Qwen3-235B-A22B", "zhipuai/GLM-5": "zai-org/GLM-5"}
SYSTEMS = {"b200_sxm": "B200", "h100_sxm": "H100 SXM", "b300_sxm": "B300", "gb200": "GB200"}
LINKS = {"h100_sxm": 450e9}
"""NVLink 4; the Blackwell systems have NVLink 5, 900 GB/s one way."""
WEIGHT_BYTES = {"fp8": 1.0, "fp4": 0.5625, "bf16": 2.0, "int4": 0.53}


def serving_rows(data: Path) -> list[ServingRow]:
    """Return the aggregated runs (not the disaggregated ones); concurrency is read from the run's name."""
    models = {entry.name: entry for entry in entries()}
    shapes = {key: shape for key, shape, _ in catalog_shapes()}
    rows = []
    for run in csv.DictReader((data / "speed/serving_measured.csv").open(encoding="utf-8")):
        if run["mode"] != "agg":
            continue
        model = models[ALIASES.get(run["model_path"], run["model_path"])]
        device = find_device(SYSTEMS[run["system"]])
        if device is None or device.flops is None or device.bandwidth_bytes_per_s is None:
            raise SystemExit(f"{run['system']} is not in the device catalog with its speed")
        precision = run["precision"] or "bf16"
        fast = {"fp8": device.fp8_flops, "fp4": device.fp4_flops or device.fp8_flops}.get(precision) or device.flops
        named = re.search(r"_c(\d+)_", run["id"])
        case = ServingCase(
            shape=shapes[model.shape],
            parameters=model.total,
            weight_bytes_each=WEIGHT_BYTES[precision],
            flops=fast,
            bandwidth=device.bandwidth_bytes_per_s,
            gpus=int(run["tp_size"]),
            concurrency=float(named.group(1)) if named else float(run["batch_size"]),
            input_tokens=float(run["isl"]),
            output_tokens=float(run["osl"]),
            engine=run["backend"],
            cache_bytes_each=1.0 if precision == "fp4" else 2.0,
            link_bytes_per_s=LINKS.get(run["system"], 900e9),
        )
        tpot, ttft = float(run["silicon_tpot_ms"]) / 1e3, float(run["silicon_ttft_ms"]) / 1e3
        rows.append(ServingRow(case=case, model=model.name, system=run["system"], tpot_s=tpot, ttft_s=ttft))
    return rows


def serving_document(data: Path) -> dict[str, Any]:
    """Return factors, held-out errors by model and system, and the ranges that models left out showed."""
    rows = serving_rows(data)
    tpot, ttft = fit_serving(rows)
    by_model = serving_left_out(rows, lambda row: row.model)
    by_system = serving_left_out(rows, lambda row: row.system)
    return {
        "tpot": {name: round(value, 5) for name, value in zip(TPOT_TERMS, tpot, strict=True)},
        "ttft": {name: round(value, 5) for name, value in zip(TTFT_TERMS, ttft, strict=True)},
        "tpot_range": _range([step for _, step, _ in by_model]),
        "ttft_range": _range([first for _, _, first in by_model]),
        "held_out": {
            "tpot_by_model": summary([step for _, step, _ in by_model]),
            "tpot_by_system": summary([step for _, step, _ in by_system]),
            "ttft_by_model": summary([first for _, _, first in by_model]),
            "ttft_by_system": summary([first for _, _, first in by_system]),
        },
    }


def _range(ratios: list[float]) -> list[float]:
    """Return the factors on a predicted time that hold 90 % of the held-out runs."""
    return [round(1 / quantile(ratios, 0.95), 3), round(1 / quantile(ratios, 0.05), 3)]
