"""A real study by one command: Python code generation over served models, every axis in the report.

    python benchmarks/evaluation_study.py [--samples 16] [--keep FOLDER]

One `sizewise run` asks four candidates to write Python (pack `code`, level 1, run in the sandbox): a shipped model
embedded, a larger one through a llama.cpp server that the run starts, and two scripted servers over HTTP, which know
the pack's own answers: "careful" gives the right one nine times of ten, "hasty" six times, and else code that is
wrong, dangerous, cut off, empty, repeated, refused or no code. The shipped models cannot write Python (they score 0):
the scripted ones are there so that every axis of the report has something to show.
Bars: the command ends with a verdict (exit 0 or 3), four candidates have answers, every axis stands in the page with a
figure, and the failures that "hasty" was told to make are all counted.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import threading
from html.parser import HTMLParser
from pathlib import Path

from sizewise.records import TaskRef
from sizewise.store.database import Store
from sizewise.tasks.loading import load_task
from sizewise.testing.mock_server import MockPlan, MockServer

AXES = (
    "right", "right when complete", "valid form", "cut off", "empty", "looped", "refused", "made up", "failed",
    "answer, median", "correctness", "efficiency", "maintainability", "security",
)  # fmt: skip
FAILURES = ("wrong", "danger", "cut off", "empty", "looped", "refused", "no code")
LIMIT = 96


def reply(kind: str, right: str, wrong: str) -> str:
    """Return an answer that fails in one way; the right one where the kind is none of these."""
    return {
        "wrong": wrong,
        "danger": f"```python\nimport os\nos.system('true')\neval('1')\n{code_of(right)}\n```",
        "cut off": right + "".join(f"\n# note {n * n * 7919 % 9973}" for n in range(2 * LIMIT)),
        "empty": "",
        "looped": "I will now write it. " * 60,
        "refused": "I'm sorry, but I can't help with that.",
        "no code": "Sum the values, then divide.",
    }.get(kind, right)


def code_of(answer: str) -> str:
    """Return what stands inside the fence of an answer."""
    found = re.search(r"```(?:python)?\n(.*?)```", answer, re.DOTALL)
    return found.group(1) if found else answer


class Scripted:
    """Servers in a thread of their own that answer the samples of a task as they were told to."""

    def __init__(self, samples: int) -> None:
        task = load_task(TaskRef(ref="code", level=1, samples=samples))
        self.prompts = {sample.prompt: number for number, sample in enumerate(task.samples)}
        self.answers = [sample.attributes["answers"] for sample in task.samples]
        self.made: dict[str, int] = {}
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def serve(self, name: str, right_of_ten: int) -> str:
        """Start a server; return its URL."""
        server = MockServer(MockPlan(tokens=LIMIT), lambda prompt, _: self.answer(name, right_of_ten, prompt))
        return asyncio.run_coroutine_threadsafe(server.start(), self.loop).result()

    def answer(self, name: str, right_of_ten: int, prompt: str) -> list[str]:
        """Return the pieces of an answer, a token each: lines for code, so that a right answer fits the limit."""
        number = self.prompts[prompt]
        kind = "right" if number % 10 < right_of_ten else FAILURES[(number // 10 * (10 - right_of_ten) + number % 10
                                                                    - right_of_ten) % len(FAILURES)]  # fmt: skip
        if name == "hasty":
            self.made[kind] = self.made.get(kind, 0) + 1
        found = self.answers[number]
        text = reply(kind, str(found["oracle"]), str(found["wrong"]))
        return text.split(" ") if kind == "looped" else text.splitlines(keepends=True)


class Tables(HTMLParser):
    """Collects the cells of every table row of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a row or a cell."""
        del attrs
        if tag == "tr":
            self.rows.append([])
        self._open = tag in ("td", "th") or (self._open and tag not in ("tr", "table"))
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in ("td", "th"):
            self._open = False

    def handle_data(self, data: str) -> None:
        """Add text to the open cell."""
        if self._open and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()


def failure_table(page: Path) -> dict[str, dict[str, str]]:
    """Return candidate -> axis -> figure of the page's table of failures."""
    parser = Tables()
    parser.feed(page.read_text())
    heads = [number for number, row in enumerate(parser.rows) if "right when complete" in row]
    if not heads:
        return {}
    head = parser.rows[heads[0]]
    found: dict[str, dict[str, str]] = {}
    for row in parser.rows[heads[0] + 1 :]:
        if len(row) != len(head):
            break
        found[row[0]] = dict(zip(head[1:], row[1:], strict=True))
    return found


def main() -> int:
    """Measure; return 0 where the bars hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--samples", type=int, default=30)
    parser.add_argument("--keep", type=Path, help="folder for the store and the page")
    options = parser.parse_args()
    scripted = Scripted(options.samples)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        page, store = folder / "study.html", folder / "study.sqlite"
        command = [
            str(Path(sys.executable).with_name("sizewise")), "run", "--task", "code", "--level", "1",
            "--samples", str(options.samples), "--max-output-tokens", str(LIMIT), "--order", "listed",
            "--store", str(store), "--out", str(page), "--model", "ladder-127k", "--model", "ladder-1m3@llama-server",
            "--model", f"hasty@{scripted.serve('hasty', 6)}", "--model", f"careful@{scripted.serve('careful', 9)}",
        ]  # fmt: skip
        print("sizewise " + " ".join(command[1:]).replace(str(folder), "FOLDER"), flush=True)
        ended = subprocess.run(command, check=False, timeout=900).returncode
        found = failure_table(page)
        with Store(store) as opened:
            trials = [trial for row in opened.studies() for trial in opened.trials(row.key)]
    print(f"\n{'axis':20} " + " ".join(f"{name[:24]:>24}" for name in found))
    for axis in AXES:
        print(f"{axis:20} " + " ".join(f"{cells.get(axis, 'MISSING'):>24}" for cells in found.values()))
    missing = [axis for axis in AXES if not any(re.search(r"\d", cells.get(axis, "")) for cells in found.values())]
    asked = {trial.key.candidate for trial in trials}
    own = [trial for trial in trials if trial.key.candidate.startswith("hasty")]
    seen = {
        "cut off": sum(trial.truncated and not trial.looped for trial in own),
        "empty": sum(trial.empty for trial in own),
        "refused": sum(trial.score is not None and trial.score.refused for trial in own),
        "looped": sum(trial.looped for trial in own),
    }
    off = [f"{kind}: told {scripted.made.get(kind, 0)}, counted {count}" for kind, count in seen.items()
           if count < scripted.made.get(kind, 0)]  # fmt: skip
    print(f"\nhasty was told to: {scripted.made}; counted: {seen}")
    good = ended in (0, 3) and len(asked) == 4 and not missing and not off
    print(
        f"study: exit {ended} (bar 0 or 3), {len(asked)} of 4 candidates with answers, {len(AXES) - len(missing)} of "
        f"{len(AXES)} axes with a figure in the page{': missing ' + ', '.join(missing) if missing else ''}, failures "
        f"not counted: {'; '.join(off) or 'none'}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
