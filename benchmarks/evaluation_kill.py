"""Kill -9 at a random moment, ten times in a row, then finish: what is lost, what is twice, is the verdict the same?

The reference is an undisturbed run of the same study with the same seed, in the same benchmark. "Lost" is a trial that
was in the store after a kill and is not there, unchanged, at the end.

    python benchmarks/evaluation_kill.py [--kills 10] [--seed 0] [-- more options of `sizewise demo`]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from sizewise.store.database import Store

COMMAND = [sys.executable, "-c", "from sizewise.cli import main; main()", "demo", "--json"]


def demo(store: Path, folder: Path, seed: int) -> subprocess.Popen[str]:
    """Start the demonstration study on a store of its own."""
    arguments = [*COMMAND, "--store", str(store), "--out", str(folder / "page.html"), "--seed", str(seed)]
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )


def finish(store: Path, folder: Path, seed: int) -> tuple[dict[str, Any], float]:
    """Run to the end; return the verdicts by task and the seconds it took."""
    begin = time.monotonic()
    output = demo(store, folder, seed).communicate()[0]
    verdicts = {verdict["task"]: verdict for verdict in json.loads(output)["verdicts"]}
    return verdicts, time.monotonic() - begin


def stored(store: Path) -> dict[tuple[str, str, str, int], tuple[str, float]]:
    """Return every stored trial by its key, with its answer and the moment it finished."""
    if not store.exists():
        return {}
    with Store(store) as opened:
        rows = [trial for row in opened.studies() for trial in opened.trials(row.key)]
    keyed = {(t.task, t.key.candidate, t.key.sample, t.key.repeat): (t.answer, t.finished_at) for t in rows}
    if len(keyed) != len(rows):
        raise SystemExit(f"{len(rows) - len(keyed)} trials are stored twice")
    return keyed


def children_alive(group: int) -> bool:
    """Return whether a process of the group still runs after three seconds; one that waits to be reaped does not."""
    for _ in range(30):
        if not any(running(process, group) for process in psutil.process_iter()):
            return False
        time.sleep(0.1)
    return True


def running(process: psutil.Process, group: int) -> bool:
    """Return whether a process is of the group and not a zombie."""
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.Error):
        return False


def main() -> int:
    """Print a row a kill and the figure; return 0 where nothing was lost, doubled or decided otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    lost = orphans = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begun = time.time()
        calm, calm_s = finish(folder / "calm.sqlite", folder, options.seed)
        start_s = min(finished for _, finished in stored(folder / "calm.sqlite").values()) - begun
        store = folder / "killed.sqlite"
        before: dict[tuple[str, str, str, int], tuple[str, float]] = {}
        count = len(stored(folder / "calm.sqlite"))
        print(f"undisturbed: {count} trials, {calm_s:.1f} s, the first after {start_s:.1f} s")
        for number in range(1, options.kills + 1):
            process = demo(store, folder, options.seed)
            time.sleep(rng.uniform(0.8 * start_s, start_s + 2 * (calm_s - start_s) / options.kills))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            orphans += children_alive(process.pid)
            after = stored(store)
            lost += sum(1 for key, value in before.items() if after.get(key) != value)
            print(f"kill {number:2}: {len(after):6} trials stored")
            before = after
        verdicts, _ = finish(store, folder, options.seed)
        final = stored(store)
        lost += sum(1 for key, value in before.items() if final.get(key) != value)
    told = ("outcome", "chosen", "best", "calls")
    same = all(verdicts[task][key] == calm[task][key] for task in calm for key in told)
    print(f"finished: {len(final)} trials; verdicts {'the same' if same else 'DIFFERENT'}")
    print(
        f"lost {lost} (bar 0), twice 0 (bar 0), engines left running {orphans} (bar 0), same verdict {same} (bar True)"
    )
    return 0 if not lost and not orphans and same else 1


if __name__ == "__main__":
    sys.exit(main())
