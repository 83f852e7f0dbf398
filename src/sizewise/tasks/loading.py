"""From a reference to a task: a pack, a skill of the shipped ladder, or the user's own file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from sizewise.errors import ConfigError
from sizewise.records import Sample, TaskRef
from sizewise.tasks.base import Scorer, Task
from sizewise.tasks.scorers import plain
from sizewise.tasks.scorers.catalogue import NAMES, make_scorer
from sizewise.tasks.text import parse_number

DEFAULT_SAMPLES = 100
"""Items of a pack or a skill when the study does not say how many."""
_FILES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
_FILE_OPTIONS = frozenset({"max_output_tokens", "stop"})


def load_task(ref: TaskRef | str) -> Task:
    """Return the task that a reference means.

    A reference is a pack ("structured"), a skill of the shipped ladder ("copy" or "skill:copy") or a path to a JSONL
    or CSV file. Raises `ConfigError` for an unknown name, with the nearest one, or a wrong option, and `DataError`
    for a broken file.

    >>> load_task(TaskRef(ref="skill:copy", samples=3)).samples[0].id
    'copy-0-0'
    """
    asked = TaskRef(ref=ref) if isinstance(ref, str) else ref
    if asked.samples is not None and asked.samples < 1:
        raise ConfigError(f"task {asked.ref!r} asks for {asked.samples} samples; expected at least 1")
    if _is_file(asked.ref):
        return _file_task(asked)
    return _named_task(asked)


def _is_file(ref: str) -> bool:
    return ref.lower().endswith(_FILES) or "/" in ref or "\\" in ref


def task_names() -> tuple[str, ...]:
    """Return the names of all packs, then of all skills as "skill:NAME"."""
    from sizewise.tasks import skills
    from sizewise.tasks.packs.catalogue import PACKS

    return (*PACKS, *(f"skill:{name}" for name in skills.names()))


def _named_task(asked: TaskRef) -> Task:
    from sizewise.tasks import skills
    from sizewise.tasks.packs.catalogue import PACKS, load_pack

    if asked.ref in PACKS:
        return load_pack(asked, DEFAULT_SAMPLES)
    skill = asked.ref.removeprefix("skill:")
    if skill in skills.names():
        return _skill_task(skill, asked)
    known = [*PACKS, *skills.names(), *task_names()]
    near = get_close_matches(asked.ref, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "`sizewise tasks` lists them; a file ends in .jsonl or .csv."
    raise ConfigError(f"there is no task {asked.ref!r}; expected a pack, a skill or a path. {hint}")


# --------------------------------------------------------------------------- skills


def _skill_task(skill: str, asked: TaskRef) -> Task:
    from sizewise.tasks import skills
    from sizewise.tasks.packs.ground import ground_score

    _check_options(asked, frozenset())
    count = asked.samples or DEFAULT_SAMPLES
    samples = skills.load(skill, seed=asked.seed, n=count, level=asked.level or None)
    return Task(
        name=f"skill:{skill}",
        samples=tuple(samples),
        score=_scorer(asked, {}, ground_score),
        max_output_tokens=skills.MAX_ANSWER_TOKENS,
        stop=("\n",),
        bare_prompts=True,
        description=f"the ladder's skill {skill!r}, held-out items",
    )


def _scorer(asked: TaskRef, options: Mapping[str, Any], usual: Scorer) -> Scorer:
    return usual if asked.scorer in (None, "auto") else make_scorer(str(asked.scorer), options)


def _check_options(asked: TaskRef, allowed: frozenset[str]) -> None:
    for key in asked.options:
        if key not in allowed:
            near = get_close_matches(key, allowed, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"It takes: {', '.join(sorted(allowed)) or 'none'}."
            raise ConfigError(f"task {asked.ref!r} has no option {key!r}. {hint}")


# --------------------------------------------------------------------------- the user's file


def _file_task(asked: TaskRef) -> Task:
    from sizewise.tasks.user_file import read_user_file

    path = Path(asked.ref)
    if asked.level is not None:
        raise ConfigError(f"task {asked.ref!r} is a file and has no levels; leave `level` out")
    name = asked.scorer or "auto"
    own = NAMES[name][1] if name in NAMES else frozenset()
    _check_options(asked, _FILE_OPTIONS | own)
    if name != "auto":
        scorer = make_scorer(name, {key: value for key, value in asked.options.items() if key in own})
    samples = list(read_user_file(path, needs_target=name in NAMES and name not in ("json_schema", "regex")))
    if asked.samples is not None and asked.samples < len(samples):
        kept = sorted(Random(f"file subset {asked.seed}").sample(range(len(samples)), asked.samples))
        samples = [samples[index] for index in kept]
    if name == "auto":
        name, scorer = auto_scorer(samples)
    stop = asked.options.get("stop", ())
    return Task(
        name=path.stem,
        samples=tuple(samples),
        score=scorer,
        max_output_tokens=int(asked.options.get("max_output_tokens", 256)),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        description=f"{path.name}: {len(samples)} items, scored by {name}",
        ready=_ready(name, asked),
        slow_scorer=name == "unit_tests",
    )


def _ready(scorer: str, asked: TaskRef) -> Callable[[], None]:
    if scorer != "unit_tests":
        return lambda: None
    from sizewise.tasks.sandbox.run import require

    return partial(require, unsafe_local=bool(asked.options.get("unsafe_local", False)))


def auto_scorer(samples: Sequence[Sample]) -> tuple[str, Scorer]:
    """Return (name, scorer) that fits a file's answers.

    Every row has tools: tool calls. Choices: choice. A schema, or an object as answer: JSON. All answers numbers:
    numeric. Else: normalized. Rows that need another scorer than the file's get it.

    >>> auto_scorer([Sample(id="1", prompt="2+2?", target="4"), Sample(id="2", prompt="1/4?", target=0.25)])[0]
    'numeric'
    """
    targets = [sample.target for sample in samples if sample.target is not None]
    numbers = bool(targets) and all(parse_number(item) is not None for t in targets for item in plain.accepted(t))
    base_name = "numeric" if numbers else "normalized"
    base = make_scorer(base_name)

    def kind(sample: Sample) -> str:
        if sample.tools:
            return "tool_calls"
        if sample.attributes.get("choices"):
            return "choice"
        if sample.json_schema or isinstance(sample.target, dict):
            return "json_schema"
        return base_name

    kinds = sorted({kind(sample) for sample in samples})
    scorers = {name: base if name == base_name else make_scorer(name) for name in kinds}
    if len(kinds) == 1:
        return kinds[0], scorers[kinds[0]]
    return " and ".join(kinds), lambda sample, answer: scorers[kind(sample)](sample, answer)
