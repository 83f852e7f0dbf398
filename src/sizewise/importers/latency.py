"""Latency evidence that other load generators measured, told apart by what their files hold.

Known are GuideLLM reports and the aggregated exports of AIPerf. It does not cover: scores (see `reading`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sizewise.errors import ConfigError, DataError
from sizewise.importers.aiperf import read_aiperf
from sizewise.importers.guidellm import read_guidellm
from sizewise.records import Evidence, Measurement

_AIPERF_KEYS = ("time_to_first_token", "request_latency", "inter_token_latency", "request_throughput")


def latency_form(data: Any) -> str | None:
    """Return which tool wrote this parsed JSON: "GuideLLM" or "AIPerf"; None when neither did.

    >>> latency_form({"benchmarks": [{"metrics": {}}]}), latency_form({"request_latency": {"unit": "ms", "avg": 1.0}})
    ('GuideLLM', 'AIPerf')
    """
    if not isinstance(data, dict):
        return None
    if isinstance(data.get("benchmarks"), list):
        return "GuideLLM"
    if any(isinstance(data.get(key), dict) and "unit" in data[key] for key in _AIPERF_KEYS):
        return "AIPerf"
    return None


def read_latency(path: Path, *, candidate: str = "") -> tuple[Measurement, ...]:
    """Return the load measurements of a report, several where it tried several loads, in its order.

    `candidate` names what was measured (default: what the file says). Raises DataError for another kind of file.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path} as JSON ({error}); {_EXPECTED}") from None
    form = latency_form(data)
    if form is None:
        keys = ", ".join(list(data)[:5]) if isinstance(data, dict) else type(data).__name__
        raise DataError(f"{path} holds {keys or 'nothing'}; {_EXPECTED}")
    return read_guidellm(path, candidate=candidate) if form == "GuideLLM" else (read_aiperf(path, candidate=candidate),)


_EXPECTED = "expected a GuideLLM report (benchmarks.json) or an AIPerf export (profile_export_aiperf.json)"


def with_latency(evidence: Sequence[Evidence], given: Sequence[str]) -> tuple[tuple[Evidence, ...], tuple[str, ...]]:
    """Return the evidence with the measurements of these reports, and what was understood of each.

    A report is given as FILE, NAME=FILE where the file does not name the candidate as the scores do, and with #3
    behind it for its third load; the last of several counts otherwise. Raises ConfigError for an unknown name.
    """
    measured: list[Measurement] = []
    notes: list[str] = []
    known = list(dict.fromkeys(contender.name for one in evidence for contender in one.contenders))
    for text in given:
        name, path, number = _parts(text)
        found = read_latency(path, candidate=name)
        if not 1 <= (number or 1) <= len(found):
            raise ConfigError(f"{path.name} has {len(found)} loads, #{number} is none of them")
        one = found[(number or len(found)) - 1]
        if one.candidate not in known:
            raise ConfigError(
                f"{path.name} is about {one.candidate!r}, which has no scores here; say whose latency it is: "
                f"--latency NAME={path}, NAME one of {', '.join(known[:20])}"
            )
        measured.append(one)
        which = f" (load {number or len(found)} of {len(found)})" if len(found) > 1 else ""
        notes.append(f"latency of {one.candidate}: {path.name}{which}, {one.detail}")
    return tuple(replace(one, measurements=(*one.measurements, *measured)) for one in evidence), tuple(notes)


def _parts(text: str) -> tuple[str, Path, int | None]:
    """Split NAME=FILE#NUMBER; a file that is there is taken as it is written."""
    if Path(text).exists():
        return "", Path(text), None
    name, equals, rest = text.partition("=")
    file, sign, number = (rest if equals else text).rpartition("#")
    if sign and number.isdigit():
        return (name if equals else ""), Path(file), int(number)
    return (name if equals else ""), Path(rest if equals else text), None
