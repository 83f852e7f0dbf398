"""The race of one task: ask, answer, store, tell, until it is decided."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import groupby

from sizewise.errors import RuntimeFailure
from sizewise.evaluation.running import Arm, evaluate, plain_request
from sizewise.evaluation.spending import Spending
from sizewise.race import Race, RaceCandidate, RaceItem
from sizewise.records import Candidate, Contender, Evidence, Prediction, Skipped, Study, TrialKey, Verdict
from sizewise.store.database import Store
from sizewise.study.events import Event, OnEvent
from sizewise.study.preparing import Prepared
from sizewise.study.residency import Residency
from sizewise.tasks.base import Task
from sizewise.verdict import decide

BATCH = 64
"""Trials asked of the race at a time: enough to fill a server, few enough to lose little on a stop."""
READ_AHEAD_FROM = 16
"""Above so many requests at a time the race is asked for trials that it may not need, to keep the server busy."""
DEFAULT_CONTEXT_TOKENS = 4096
COST_UNITS = {"memory": "bytes of memory", "price": "US dollars per million tokens", "time": "seconds per answer"}


class TaskRace:
    """Runs one task of a study over its candidates; everything it learns is in the store."""

    def __init__(
        self, *, study: Study, key: str, task: Task, prepared: Sequence[Prepared], store: Store,
        residency: Residency, spending: Spending,
    ) -> None:  # fmt: skip
        self._study, self._key, self._task, self._store = study, key, task, store
        self._residency, self._spending = residency, spending
        self._samples = {sample.id: sample for sample in task.samples}
        self._prepared = {item.candidate.name: item for item in prepared}
        self._alive = [item.candidate.name for item in prepared if not isinstance(item.outlook, Skipped)]
        self._arms: dict[str, Arm] = {}
        self._stopped = ""
        self._done = self._planned = 0
        self._ahead = max(item.candidate.settings.concurrency for item in prepared) > READ_AHEAD_FROM

    async def run(self, on_event: OnEvent) -> None:
        """Ask until the race is decided or the budget is spent.

        A candidate whose engine cannot be had leaves the race, with its reason in the store, and the race is set up
        again without it: stored trials are replayed, so that no answer is lost.
        """
        while self._alive:
            gone = await self._run_race(on_event)
            if gone is None:
                return
            on_event(Event(stage="note", task=self._task.name, text=f"{gone.candidate} is left out: {gone.reason}"))
            self._store.add_outlook(self._key, gone)
            self._alive.remove(gone.candidate)

    def verdict(self) -> Verdict:
        """Decide from everything that is stored of this task."""
        return decide(self.evidence(), self._study.goal)

    def evidence(self) -> Evidence:
        """Return what the store knows of this task."""
        outlooks = self._store.outlooks(self._key)
        unit, costs = cost_order(self._study, [self._prepared[name] for name in self._alive])
        return Evidence(
            task=self._task.name,
            contenders=tuple(
                Contender(name=name, cost=costs[name], size=_size(self._prepared[name])) for name in self._alive
            ),
            items=tuple(self._samples),
            clusters={s.id: s.cluster for s in self._task.samples if s.cluster is not None},
            trials=tuple(self._store.trials(self._key, self._task.name)),
            cost_unit=unit,
            seed=self._study.seed,
            repeats=self._study.repeats,
            skipped=tuple(item for item in outlooks if isinstance(item, Skipped)),
            predictions=tuple(item for item in outlooks if isinstance(item, Prediction)),
            measurements=tuple(self._store.measurements(self._key)),
            origin=f"study {self._key}",
        )

    def _race(self) -> Race:
        _, costs = cost_order(self._study, [self._prepared[name] for name in self._alive])
        race = Race(
            [RaceCandidate(name=name, cost=costs[name]) for name in self._alive],
            [RaceItem(id=sample.id, cluster=sample.cluster) for sample in self._task.samples],
            self._study.goal,
            self._study.seed,
            self._study.repeats,
        )
        alive, planned = set(self._alive), self._samples
        outcomes = self._store.outcomes(self._key, self._task.name)
        race.replay((key, score) for key, score in outcomes if key.candidate in alive and key.sample in planned)
        return race

    async def _run_race(self, on_event: OnEvent) -> Skipped | None:
        """Run one race; return the candidate that could not go on, None when the race is over."""
        race = self._race()
        state = race.state()
        self._done, self._planned = state.told, state.full_grid
        self._tell(on_event, "resume" if state.told else "load", "")
        resident: str | None = None
        while keys := race.ask(BATCH, resident, ahead=self._ahead):
            for name, group in groupby(keys, key=lambda key: key.candidate):
                resident = name
                self._tell(on_event, "load", name)
                gone = await self._ask(race, name, list(group), on_event)
                if gone is not None or self._stopped:
                    return gone
        return None

    async def _ask(self, race: Race, name: str, keys: Sequence[TrialKey], on_event: OnEvent) -> Skipped | None:
        try:
            arm = await self._arm(name)
        except RuntimeFailure as failure:
            return Skipped(candidate=name, reason=str(failure), stage="start")
        work = [(self._samples[key.sample], key.repeat) for key in keys]
        async for trial in evaluate(arm, work, spending=self._spending):
            self._store.add_trials(self._key, [trial], [(trial.prompt_hash, self._samples[trial.key.sample])])
            race.tell(trial.key, None if trial.score is None else trial.score.value)
            self._done += 1
            self._tell(on_event, "asked", name)
        self._residency.note_peak(name, arm.runtime)
        if arm.stopped and self._spending.exhausted():
            self._stopped = arm.stopped
            on_event(Event(stage="note", task=self._task.name, text=f"{arm.stopped}; what is stored is kept"))
        elif arm.stopped:
            return Skipped(candidate=name, reason=arm.stopped, stage="run")
        return None

    async def _arm(self, name: str) -> Arm:
        candidate = for_task(self._prepared[name], self._task)
        loaded = await self._residency.get(candidate)
        arm = self._arms.get(name)
        if arm is None or arm.runtime is not loaded.runtime:
            arm = Arm(
                candidate, loaded.runtime, loaded.info, self._task,
                prepare=plain_request, score_in_thread=self._task.slow_scorer,
            )  # fmt: skip
            self._arms[name] = arm
        return arm

    def _tell(self, on_event: OnEvent, stage: str, name: str) -> None:
        on_event(Event(stage=stage, task=self._task.name, candidate=name, done=self._done, planned=self._planned))


def for_task(prepared: Prepared, task: Task) -> Candidate:
    """Return the candidate with the settings that this task and its model ask for, where the study left them open."""
    candidate, model = prepared.candidate, prepared.model
    longest = model.context_tokens if model is not None and model.context_tokens else DEFAULT_CONTEXT_TOKENS
    settings = dataclasses.replace(
        candidate.settings,
        max_output_tokens=candidate.max_output_tokens or task.max_output_tokens,
        context_tokens=candidate.settings.context_tokens or min(DEFAULT_CONTEXT_TOKENS, longest),
        chat=candidate.settings.chat and not task.bare_prompts,
        stop=candidate.settings.stop or task.stop,
    )
    return dataclasses.replace(candidate, settings=settings)


def cost_order(study: Study, prepared: Sequence[Prepared]) -> tuple[str, dict[str, float]]:
    """Return (unit, candidate -> cost): what "cheaper" means in this study.

    Where the wished figure is not known for all of them, the order in which they were listed stands in for it.
    """
    costs = {item.candidate.name: _cost(study.order, item) for item in prepared}
    known = {name: cost for name, cost in costs.items() if cost is not None}
    if study.order == "listed" or len(known) < len(costs):
        return "place in the list", {name: float(place) for place, name in enumerate(costs, 1)}
    return COST_UNITS[study.order], known


def _cost(order: str, item: Prepared) -> float | None:
    if order == "price":
        price = item.candidate.price
        return None if price is None else price.output_usd_per_mtok
    if not isinstance(item.outlook, Prediction):
        return None
    if order == "time":
        return None if item.outlook.answer_s is None else item.outlook.answer_s.value
    return item.outlook.memory_bytes.value or None


def _size(prepared: Prepared) -> float | None:
    model = prepared.model
    return float(model.counts.total) if model is not None and model.counts is not None else None
