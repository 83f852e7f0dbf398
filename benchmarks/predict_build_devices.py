"""Merge the collected hardware lists into devices.csv and prices.json: one row a device, each fact with its source.

    python benchmarks/predict_build_devices.py [--data ../shared/data]

Where sources disagree by more than 2 % the stronger source wins (order in `STRENGTH`) and the other reading is
printed. The last line says how many raw rows became how many devices; the exit code is 0 when no device has two rows.
"""

# ruff: noqa: E501 (tables)

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STRENGTH = ("aic", "chf", "lla", "wllm", "llmfit", "comm", "retail")
"""aiconfigurator, chimeraforge, llm-analysis, whichllm, llmfit's table, what llmfit's users' drivers said, retail."""
FIELDS = ("memory_gib", "bandwidth_gbps", "fp16_tflops", "fp8_tflops", "fp4_tflops", "power_w", "price_usd")

FIXED = {
    "b60": "Arc Pro B60", "gb10": "DGX Spark", "strix halo": "Ryzen AI Max+ 395", "strxlgen": "Ryzen AI Max+ 395",
    "ryzen ai max 395": "Ryzen AI Max+ 395", "ryzen ai max+ 395": "Ryzen AI Max+ 395", "ryzen ai max": "Ryzen AI Max+ 395",
    "radeon 8060s": "Ryzen AI Max+ 395", "r9700": "Radeon AI PRO R9700", "battlemage g31": "Arc Pro B70",
    "a100": "A100 40GB", "a100_sxm": "A100 80GB", "a100-sxm-80gb": "A100 80GB", "a100-sxm-40gb": "A100 40GB",
    "a100 sxm": "A100 80GB", "a100_pcie": "A100 PCIe 80GB", "a100-pcie-40gb": "A100 PCIe 40GB", "a100 40gb": "A100 40GB",
    "h100": "H100 SXM", "h100 80gb": "H100 SXM", "h100_sxm": "H100 SXM", "h100-sxm-80gb": "H100 SXM", "h100 sxm": "H100 SXM",
    "h100_pcie": "H100 PCIe", "h100-pcie-80gb": "H100 PCIe", "a100-pcie-80gb": "A100 PCIe 80GB", "h200": "H200",
    "h200_sxm": "H200", "h200 141gb": "H200", "b200_sxm": "B200", "b200 180gb": "B200", "b300_sxm": "B300",
    "v100": "V100 SXM 32GB", "v100 sxm": "V100 SXM 32GB", "v100-sxm-32gb": "V100 SXM 32GB", "v100-sxm-16gb": "V100 SXM 16GB",
    "rtx_pro_6000_server": "RTX PRO 6000 Server", "rtx pro 6000 blackwell server 96gb": "RTX PRO 6000 Server",
    "rtx pro 6000 blackwell workstation 96gb": "RTX PRO 6000", "rtx pro 6000 blackwell max-q 96gb": "RTX PRO 6000 Max-Q",
    "a10-pcie-28gb": "A10", "a10": "A10", "a10g-pcie-24gb": "A10G", "a10g": "A10G", "a6000-48gb": "RTX A6000", "a6000": "RTX A6000",
    "a5000": "RTX A5000", "a4000": "RTX A4000", "dgx spark 128gb": "DGX Spark", "ryzen ai max+ 395 128gb": "Ryzen AI Max+ 395",
    "v100-pcie-16gb": "V100 PCIe", "v100-pcie-32gb": "V100 PCIe", "rtx 4060 ti": "RTX 4060 Ti 16GB",
    "dgx spark": "DGX Spark", "radeon ai pro r9700": "Radeon AI PRO R9700", "mi300": "MI300X", "mi250": "MI250", "rtx 4080 12gb": "RTX 4080 Laptop", "radeon 8050s": "Radeon 8050S",
}  # fmt: skip
WRONG = {("RTX 5060", "llmfit"), ("RTX 5060", "wllm"), ("H100 SXM", "llmfit")}
"""Readings of a source that mean another card (llmfit's h100 rule is the PCIe card) or no bus of that card."""

RETAIL_GB = {
    "RTX 3060": 12, "RTX 3060 Ti": 8, "RTX 3070": 8, "RTX 3070 Ti": 8, "RTX 3080 Ti": 12, "RTX 3090 Ti": 24, "RTX 2060": 6,
    "RTX 2060 SUPER": 8, "RTX 2070": 8, "RTX 2070 SUPER": 8, "RTX 2080": 8, "RTX 2080 SUPER": 8, "RTX 2080 Ti": 11,
    "RTX 4070 SUPER": 12, "RTX 4070 Ti SUPER": 16, "RTX 4080 SUPER": 16, "RTX 5060": 8, "RTX 5060 Ti": 16, "RTX 3050": 8,
    "GTX 1650": 4, "GTX 1650 SUPER": 4, "GTX 1660": 6, "GTX 1660 SUPER": 6, "GTX 1660 Ti": 6, "GTX 1050 Ti": 4, "GTX 1070": 8,
    "GTX 1080 Ti": 11, "RX 7900 XTX": 24, "RX 7900 XT": 20, "RX 7900 GRE": 16, "RX 7800 XT": 16, "RX 7700 XT": 12, "RX 7600": 8,
    "RX 6950 XT": 16, "RX 6900 XT": 16, "RX 6800 XT": 16, "RX 6800": 16, "RX 6750 XT": 12, "RX 6700 XT": 12, "RX 6700": 10,
    "RX 6650 XT": 8, "RX 6600 XT": 8, "RX 6600": 8, "L40S": 48, "L40": 48, "RTX A6000": 48, "RTX A5000": 24, "RTX A4000": 16,
    "Arc B580": 12, "Arc B570": 10, "Arc A770": 16, "Arc A750": 8, "Arc Pro B70": 32, "P100": 16, "GB200": 186, "GB300": 279,
    "A10": 24, "DGX Spark": 128, "Ryzen AI Max+ 395": 128,
    "M1": 16, "M1 Pro": 32, "M1 Max": 64, "M1 Ultra": 128, "M2": 24, "M2 Pro": 32, "M2 Max": 96, "M2 Ultra": 192, "M3": 24,
    "M3 Pro": 36, "M3 Max": 128, "M3 Ultra": 512, "M4": 32, "M4 Pro": 64, "M4 Max": 128,
}  # fmt: skip
"""Memory of the usual retail board, largest common configuration for Apple; assumed, not read from a page."""
RETAIL_GBPS = {"RTX 5060": 448.0, "GTX 1050 Ti": 112.1, "GTX 1070": 256.3, "GTX 1080 Ti": 484.4}
"""Bandwidth of cards that only the community's measurements have; bus width times data rate."""


def canonical(raw: str) -> str:
    """Return the one name under which all spellings of a device meet."""
    name = raw.strip().lower().replace("nvidia ", "").replace("geforce ", "").replace("apple ", "").replace("amd ", "")
    if name in FIXED:
        return FIXED[name]
    name = re.sub(r" (\d+)-core gpu", "", name)
    name = re.sub(r"[ -](\d+)gb$", "", name) if not name.startswith(("a100", "rtx 4060 ti")) else name
    if name in FIXED:
        return FIXED[name]
    if re.fullmatch(r"(1|2|3|4|5)\d{3}( ti| super| ti super)?", name):
        name = ("gtx " if name.startswith("1") else "rtx ") + name
    if re.fullmatch(r"(6|7|9)\d{3}( xt| xtx| gre)?", name):
        name = "rx " + name
    name = name.replace("_", " ").replace("mi2", "MI2").replace("mi3", "MI3")
    words = {"ti": "Ti", "super": "SUPER", "pro": "Pro", "max": "Max", "ultra": "Ultra", "laptop": "Laptop", "arc": "Arc",
             "radeon": "Radeon", "quadro": "Quadro", "ai": "AI", "tesla": "Tesla", "pcie": "PCIe"}  # fmt: skip
    return " ".join(words.get(word, word.upper()) for word in name.split())


def vendor_of(name: str) -> str:
    """Return the maker, from the name's first word."""
    if re.match(r"(M\d+|A\d\d Pro)\b", name):
        return "Apple"
    if name.startswith(("RX", "MI", "Radeon", "Ryzen")):
        return "AMD"
    return "Intel" if name.startswith(("Arc", "Intel")) else "NVIDIA"


def readings(data: Path) -> list[tuple[str, str, str, float]]:
    """Return (device, field, source code, value) of every list."""
    found: list[tuple[str, str, str, float]] = []

    def add(name: str, source: str, **facts: float | None) -> None:
        for key, value in facts.items():
            if value:
                found.append((name, key, source, float(value)))

    codes = {"ai-dynamo": "aic", "llm-analysis": "lla", "Andyyyy64": "wllm", "AlexsJones": "llmfit"}
    for row in csv.DictReader((data / "catalog/hardware.csv").open(encoding="utf-8")):
        source = next((code for prefix, code in codes.items() if row["source"].startswith(prefix)), None)
        if source is None:  # llm-d-planner's hourly prices go to prices.json
            continue
        name = canonical(row["name"])
        if (name, source) in WRONG or row["name"] in ("a10-pcie-28gb", "v100-sxm-16gb"):
            continue
        known = {
            key: float(row[key]) if row[key] else None
            for key in row
            if row[key] and key not in ("name", "vendor", "kind", "source", "price_USD")
        }
        size = known.get("memory_GB")
        add(name, source, memory_gib=size * 1e9 / 2**30 if size and source == "aic" else size, bandwidth_gbps=known.get("bandwidth_GBps"), fp16_tflops=known.get("bf16_TFLOPS"),
            fp8_tflops=known.get("fp8_TFLOPS"), fp4_tflops=known.get("fp4_TFLOPS"), power_w=known.get("tdp_W"))  # fmt: skip
    for gpu in json.loads((data / "prices/chimeraforge_hardware.json").read_text())["gpus"]:
        add(canonical(gpu["name"]), "chf", memory_gib=gpu["vram_gb"], bandwidth_gbps=gpu["bandwidth_gbps"],
            fp16_tflops=gpu["fp16_tflops"], power_w=gpu["tdp_watts"])  # fmt: skip
    for name, size in RETAIL_GB.items():
        add(name, "retail", memory_gib=size)
    for name, speed in RETAIL_GBPS.items():
        add(name, "retail", bandwidth_gbps=speed)
    return found


def merge(found: list[tuple[str, str, str, float]]) -> tuple[dict[str, dict[str, tuple[float, str]]], list[str]]:
    """Return device -> field -> (value, source), and the disagreements in words."""
    table: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for name, key, source, value in found:
        best = table[name][key].get(source, 0.0)
        table[name][key][source] = max(value, best)  # variants of one name: the largest configuration
    merged: dict[str, dict[str, tuple[float, str]]] = {}
    conflicts = []
    for name, fields in table.items():
        merged[name] = {}
        for key, by_source in fields.items():
            source = min(by_source, key=STRENGTH.index)
            merged[name][key] = (by_source[source], source)
            for other, value in by_source.items():
                if abs(value / by_source[source] - 1) > 0.02 and "retail" not in (source, other):
                    conflicts.append(f"{name} {key}: {source} {by_source[source]:g}, {other} {value:g}")
    return merged, conflicts


def write_devices(merged: dict[str, dict[str, tuple[float, str]]], path: Path) -> int:
    """Write the table, devices without a bandwidth left out; return the number of rows."""
    rows = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("name", "vendor", "kind", *FIELDS, "sources"))
        for name in sorted(merged):
            facts = merged[name]
            if "bandwidth_gbps" not in facts:
                continue
            vendor = vendor_of(name)
            shared = (
                vendor == "Apple"
                or name in ("DGX Spark", "Ryzen AI Max+ 395")
                or re.fullmatch(r"Radeon \d{3,4}[MS]", name)
            )
            sources = ";".join(f"{key}={facts[key][1]}" for key in FIELDS if key in facts)
            out.writerow(
                (
                    name,
                    vendor,
                    "unified" if shared else "gpu",
                    *(f"{facts[key][0]:g}" if key in facts else "" for key in FIELDS),
                    sources,
                )
            )
            rows += 1
    return rows


def write_prices(data: Path, path: Path) -> None:
    """Write cloud offers, hourly prices, API prices of chat models and carbon intensities, compactly."""
    cloud = json.loads((data / "prices/chimeraforge_cloud_prices.json").read_text())
    hardware = json.loads((data / "prices/chimeraforge_hardware.json").read_text())
    carbon = json.loads((data / "prices/chimeraforge_carbon_intensity.json").read_text())
    offers = [
        [o["cloud"], o["instance"], canonical(o["gpu"]), o["gpus"], o["price_per_hour"], o["region"]]
        for o in cloud["offers"]
    ]
    hourly = {
        canonical(g["name"]): [g["cost_per_hour"], g["price_basis"]] for g in hardware["gpus"] if g["cost_per_hour"]
    }
    api = {}
    for row in csv.DictReader((data / "prices/api_prices.csv").open(encoding="utf-8")):
        if row["mode"] != "chat" or not row["usd_in_per_mtok"] or not row["usd_out_per_mtok"]:
            continue
        api[row["model"]] = [
            float(row[key]) if row[key] else None
            for key in ("usd_in_per_mtok", "usd_out_per_mtok", "usd_cache_read_per_mtok")
        ]
    document = {
        "cloud": {"captured": cloud["captured_at"], "source": "AWS us-east-1 and Azure eastus list prices, through chimeraforge 0.76 (MIT)", "offers": offers},
        "hourly": {"captured": hardware["captured_at"], "source": "chimeraforge 0.76 (MIT); marketplace rent or amortised purchase", "usd": hourly},
        "api": {"captured": "2026-11-22", "source": "litellm 1.106.2 (MIT), model_prices_and_context_window", "usd_per_mtok": api},
        "carbon": {"captured": carbon["captured_at"], "source": carbon["source"]["attribution"] + " (CC-BY-4.0)",
                   "g_per_kwh": {code: [r["name"], r["gco2e_per_kwh"], r["year"]] for code, r in carbon["regions"].items()}},
    }  # fmt: skip
    path.write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> int:
    """Write both files and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    data = parser.parse_args().data
    if not (data / "catalog/hardware.csv").exists():
        print(f"no collected data at {data}; expected catalog/hardware.csv and prices/; pass --data FOLDER")
        return 1
    found = readings(data)
    merged, conflicts = merge(found)
    print("\n".join(conflicts))
    rows = write_devices(merged, ROOT / "src/sizewise/data/devices.csv")
    write_prices(data, ROOT / "src/sizewise/data/prices.json")
    names = [re.sub(r"[^a-z0-9+]", "", name.lower()) for name in merged]
    print(f"{len(found)} readings merged into {rows} devices, {len(names) - len(set(names))} doubled (bar: 0)")
    return 0 if len(names) == len(set(names)) else 1


if __name__ == "__main__":
    sys.exit(main())
