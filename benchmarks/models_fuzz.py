"""200,000 coverage-guided mutations of GGUF, safetensors and config.json inputs against the readers.

Run: `python benchmarks/models_fuzz.py [RUNS]`. Needs `atheris` (libFuzzer for Python), no dependency of sizewise. Only
errors of sizewise may come out; any other exception, an input that takes more than 1 s of CPU, or a process above
200 MB over its start is a failure, and the input is kept in benchmarks/fuzz_failures for a test.
"""

from __future__ import annotations

import contextlib
import json
import re
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 200_000
FAILURES = Path(__file__).parent / "fuzz_failures"
SECONDS, MEGABYTES = 1.0, 200


def seeds(folder: Path) -> None:
    """Write small whole files of each kind; the first byte says which reader gets the rest."""
    from sizewise.models import catalog
    from sizewise.models.file_layout import file_tensors
    from sizewise.models.gguf_metadata import metadata, tokenizer
    from sizewise.models.gguf_writing import write_gguf
    from sizewise.models.quantization import tensor_types

    names = ("Qwen/Qwen2.5-0.5B", "openai/gpt-oss-20b", "LiquidAI/LFM2-1.2B", "deepseek-ai/DeepSeek-V2-Lite",
             "state-spaces/mamba-130m-hf", "google/gemma-3-270m-it", "tiiuae/Falcon-H1-0.5B-Base")  # fmt: skip
    for index, name in enumerate(names):
        row = catalog.find(name)
        assert row is not None
        config = catalog.configuration(row)
        (folder / f"config{index}").write_bytes(b"\2" + json.dumps(config).encode())
        arch = catalog.model(row).architecture
        assert arch is not None
        types = tensor_types(arch, "Q4_K_M")
        table = [(tensor.name, (32,) * len(tensor.shape), "Q8_0") for tensor in file_tensors(arch)[:40] if types]
        path = folder / "whole.gguf"
        write_gguf(path, metadata(arch) | tokenizer(300), table)
        (folder / f"gguf{index}").write_bytes(b"\0" + path.read_bytes()[:60_000])
        path.unlink()
    header = {"a.weight": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, "__metadata__": {"format": "pt"}}
    raw = json.dumps(header).encode()
    (folder / "safetensors").write_bytes(b"\1" + struct.pack("<Q", len(raw)) + raw + bytes(12))


def resident_mb() -> float:
    """Return the process's peak resident memory, MB."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+)", text)
    return int(found.group(1)) / 1024 if found else 0.0


def child(corpus: Path, report: Path, runs: int) -> None:
    """Fuzz in this process; libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["sizewise.models"]):
        from sizewise.errors import SizewiseError
        from sizewise.models.cache import cache_bytes
        from sizewise.models.files import config_model, read_gguf_model
        from sizewise.models.safetensors_reading import parse_json, read_safetensors

    path = corpus.parent / "input.gguf"
    seen = {"runs": 0, "slowest_s": 0.0, "start_mb": 0.0, "peak_mb": 0.0, "read_whole": 0, "refused": 0}

    def one(data: bytes) -> None:
        kind, body = (data[0] % 3, data[1:]) if data else (0, b"")
        began = time.process_time()
        whole = 0
        with contextlib.suppress(SizewiseError):
            if kind == 2:
                model = config_model(parse_json(body, "config.json"), "fuzzed")
                if model.architecture is not None:
                    cache_bytes(model.architecture, 4096)
            else:
                path.write_bytes(body)
                _ = read_gguf_model(path) if kind == 0 else read_safetensors(path)
            whole = 1
        took = time.process_time() - began
        seen["runs"] += 1
        seen["read_whole"] += whole
        seen["refused"] += 1 - whole
        seen["start_mb"] = seen["start_mb"] or resident_mb()
        if took > seen["slowest_s"] or seen["runs"] % 500 == 0 or seen["runs"] >= runs:
            seen["slowest_s"] = max(seen["slowest_s"], took)
            seen["peak_mb"] = resident_mb()
            report.write_text(json.dumps(seen), encoding="utf-8")
        if took > SECONDS:
            raise TimeoutError(f"{took:.2f} s of CPU for {len(data)} bytes")

    FAILURES.mkdir(exist_ok=True)
    atheris.Setup(
        [sys.argv[0], f"-runs={runs}", "-max_len=65536", "-len_control=0", "-seed=1", f"-artifact_prefix={FAILURES}/",
         "-print_final_stats=1", str(corpus)], one,
    )  # fmt: skip
    atheris.Fuzz()


def main() -> int:
    """Run the child, print its figures and the bar."""
    if len(sys.argv) == 5 and sys.argv[1] == "--child":
        child(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
        return 0
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as text:
        folder = Path(text)
        corpus, report = folder / "corpus", folder / "report.json"
        corpus.mkdir()
        seeds(corpus)
        began = time.perf_counter()
        command = [sys.executable, __file__, "--child", str(corpus), str(report), str(runs)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        took = time.perf_counter() - began
        seen = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {"runs": 0}
        covered = re.findall(r"cov: (\d+)", done.stderr)
    if done.returncode or seen["runs"] < runs:
        print(done.stderr[-4000:], file=sys.stderr)
        print(f"ended with {done.returncode} after about {seen['runs']} inputs; the input is in {FAILURES.name}/")
        return 1
    grown = seen["peak_mb"] - seen["start_mb"]
    with contextlib.suppress(OSError):
        FAILURES.rmdir()
    print(f"coverage {covered[0]} -> {covered[-1]} edges in {took:.0f} s")
    print(f"{seen['read_whole']} inputs read whole, {seen['refused']} refused with a readable error")
    ok = seen["slowest_s"] <= SECONDS and grown <= MEGABYTES
    print(f"{seen['runs']} inputs: no crash, slowest {seen['slowest_s']:.3f} s (bar 1 s), memory +{grown:.0f} MB over "
          f"{seen['start_mb']:.0f} MB (bar 200 MB): {'holds' if ok else 'FAILS'}")  # fmt: skip
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
