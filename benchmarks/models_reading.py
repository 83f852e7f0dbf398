"""Time and memory of reading a 40 GB GGUF file, of loading the catalog, and of `sizewise show`.

Run: `python benchmarks/models_reading.py` on a quiet machine. The file is sparse, of the true shape of Llama-3.1-70B
with a vocabulary of 128,256 words and 280,000 merges; each figure is the median of fresh processes.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sizewise.models import catalog
from sizewise.models.file_layout import file_tensors
from sizewise.models.gguf_metadata import metadata, tokenizer
from sizewise.models.gguf_writing import write_gguf
from sizewise.models.quantization import tensor_types

READ = """
import sys, time
def resident(name):
    return int(next(line for line in open("/proc/self/status") if line.startswith(name)).split()[1]) / 1024
from sizewise.models.gguf_reading import read_gguf
loaded, began, busy = resident("VmHWM"), time.perf_counter(), time.process_time()
file = read_gguf(sys.argv[1])
took, cpu = time.perf_counter() - began, time.process_time() - busy
print(1e3 * took, 1e3 * cpu, resident("VmHWM") - loaded, resident("VmHWM"), len(file.tensors))
"""
CATALOG = """
import time
from sizewise.models import catalog
began = time.perf_counter()
catalog.rows()
took = time.perf_counter() - began
print(1e3 * took)
"""
RUNS = 9


def numbers(code: str, *arguments: str) -> list[list[float]]:
    """Return what each of several fresh processes printed."""
    out = []
    for _ in range(RUNS):
        done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
        out.append([float(word) for word in done.stdout.split()])
    return out


def wall(*command: str) -> tuple[float, float]:
    """Return the median wall and CPU time of a command, seconds."""
    times, busy = [], []
    for _ in range(RUNS):
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(time.perf_counter() - began)
        busy.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times), statistics.median(busy)


def large_file(path: Path) -> int:
    """Write the sparse file; return its apparent bytes."""
    arch = catalog.model(catalog.find("meta-llama/Llama-3.1-70B-Instruct") or {}).architecture
    assert arch is not None
    types = tensor_types(arch, "Q4_K_M")
    keys = metadata(arch) | tokenizer(arch.vocabulary) | {"general.file_type": 15}
    keys["tokenizer.ggml.merges"] = [f"w{index} x{index}" for index in range(280_000)]
    keys["tokenizer.ggml.eot_token_id"] = 2
    return write_gguf(path, keys, [(tensor.name, tensor.shape, types[tensor.name]) for tensor in file_tensors(arch)])


def main() -> int:
    """Print the figures and the bar."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.gguf"
        size = large_file(path)
        rows = numbers(READ, str(path))
    took, cpu, grown, peak, tensors = (statistics.median(column) for column in zip(*rows, strict=True))
    loading = statistics.median(row[0] for row in numbers(CATALOG))
    script = str(Path(sys.executable).with_name("sizewise"))
    show, show_cpu = wall(script, "show", "Qwen/Qwen3-8B")
    bare, bare_cpu = wall(sys.executable, "-c", "pass")
    print(f"GGUF of {size / 1e9:.1f} GB, {tensors:.0f} tensors: {took:.1f} ms ({cpu:.1f} of CPU)")
    print(f"memory: +{grown:.1f} MB, process {peak:.1f} MB")
    print(
        f"catalog of {len(catalog.rows())} models, {catalog.CATALOG_PATH.stat().st_size / 1e6:.2f} MB: {loading:.1f} ms"
    )
    print(f"sizewise show: {show:.3f} s wall, {show_cpu:.3f} s CPU (python itself {bare:.3f}, {bare_cpu:.3f})")
    ok = took <= 50 and peak <= 50 and loading <= 30 and show <= 0.35 and size >= 40e9
    print(f"read {took:.1f} ms (bar 50), {peak:.1f} MB (bar 50), catalog {loading:.1f} ms (bar 30), show {show:.3f} s "
          f"(bar 0.35): {'holds' if ok else 'FAILS'}")  # fmt: skip
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
