"""Fit the shipped speed constants on the collected measurements, with their held-out errors and ranges.

    python benchmarks/predict_fit.py [--data ../shared/data]

Writes src/sizewise/data/speed_fit.json. The last line gives the leave-one-device-out errors of decode.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from predict_rows import DATA, ROOT, apple_rows, community_rows, gpt_oss_rows
from predict_serving_rows import serving_document
from sizewise.machines.devices import find_device, read_devices
from sizewise.prediction.constants import device_class
from sizewise.prediction.fitting import SpeedRow, fit_decode, leave_one_out, quantile, residual_range, summary

LLAMA2_MACS = 6.607e9
"""Weights of Llama-2-7B that a prompt token passes: all but embedding and head."""
GPT_OSS_MACS = {"gpt-oss-20b": 3.03e9, "gpt-oss-120b": 4.55e9}
"""The same of gpt-oss: active parameters without embedding and head."""


def decode_document(rows: list[SpeedRow], parts: dict[str, list[SpeedRow]]) -> dict[str, Any]:
    """Return constants, ranges and held-out errors of the decode law."""
    fit = fit_decode(rows)
    pairs = leave_one_out(rows)
    held = {
        name: [ratio for row, ratio in pairs if any(row is own for own in own_rows)] for name, own_rows in parts.items()
    }
    return {
        "law": "s/token = per_byte x bytes/bandwidth + step_s + layer_s x layers + sparse_layer_s x MoE layers",
        "classes": {
            name: {key: round(value, 9) for key, value in asdict(own).items()} for name, own in fit.classes.items()
        },
        "engines": {name: round(value, 5) for name, value in fit.engines.items()},
        "shared_memory": round(fit.shared_memory, 5),
        "ranges": {name: [round(x, 3) for x in residual_range(pairs, name)] for name in fit.classes},
        "held_out": {name: summary(ratios) for name, ratios in held.items()},
    }


def prefill_document(data: Path) -> dict[str, Any]:
    """Return multiply-accumulates per byte of bandwidth and per operation of the datasheet that prompts reach."""
    per_byte: dict[str, dict[str, list[float]]] = {}
    per_flop: dict[str, dict[str, list[float]]] = {}
    for row in csv.DictReader((data / "speed/llamacpp_apple_m_4167.csv").open(encoding="utf-8")):
        for mix in ("f16", "q8_0", "q4_0"):
            if row[f"{mix}_pp512"]:
                rate = float(row[f"{mix}_pp512"]) * LLAMA2_MACS / (float(row["bw_gbps"]) * 1e9)
                per_byte.setdefault("Apple", {}).setdefault(row["chip"], []).append(rate)
    for row in csv.DictReader((data / "speed/llamacpp_gptoss_mxfp4.csv").open(encoding="utf-8")):
        device = find_device(" ".join(word for word in row["hardware"].split() if not word.endswith(("GB", "c"))))
        if not row["pp2048"] or device is None or device.vendor == "Apple" or not device.bandwidth_bytes_per_s:
            continue
        rate = float(row["pp2048"]) * GPT_OSS_MACS[row["model"]]
        per_byte.setdefault(device_class(device), {}).setdefault(device.name, []).append(
            rate / device.bandwidth_bytes_per_s
        )
        if device.flops:
            per_flop.setdefault(device_class(device), {}).setdefault(device.name, []).append(rate / device.flops)
    ratio = [d.flops / d.bandwidth_bytes_per_s for d in read_devices() if d.flops and d.bandwidth_bytes_per_s]
    return {
        "macs_per_byte": {name: _typical(devices) for name, devices in per_byte.items()},
        "macs_per_flop": {name: _typical(devices) for name, devices in per_flop.items()},
        "flops_per_byte": round(quantile(ratio, 0.5), 1),
    }


def _typical(devices: dict[str, list[float]]) -> dict[str, float]:
    """Return the median over devices and the factors that hold 90 % of them, widened for few devices."""
    medians = [quantile(values, 0.5) for values in devices.values()]
    middle, growth = quantile(medians, 0.5), 1 + 1 / len(medians)
    low, high = quantile(medians, 0.05) / middle, quantile(medians, 0.95) / middle
    return {
        "value": round(middle, 4),
        "low": round(min(0.8, low) ** growth, 3),
        "high": round(max(1.25, high) ** growth, 3),
        "devices": len(medians),
    }


def main() -> int:
    """Fit, write and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    data = parser.parse_args().data
    if not (data / "speed").exists():
        print(f"no measurements at {data}/speed; pass --data FOLDER")
        return 1
    parts = {"community": community_rows(data), "apple": apple_rows(data), "gpt_oss": gpt_oss_rows(data)}
    rows = [row for own in parts.values() for row in own]
    document = {
        "made_by": "python benchmarks/predict_fit.py",
        "decode": decode_document(rows, parts),
        "prefill": prefill_document(data),
        "serving": serving_document(data),
    }
    path = ROOT / "src/sizewise/data/speed_fit.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1))
    held = document["decode"]["held_out"]
    print(f"wrote {path.name}: " + ", ".join(f"{name} {own['median_error']:.1%}" for name, own in held.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
