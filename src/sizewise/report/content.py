"""From a stored study to the page: sentences, cards, method."""

from __future__ import annotations

import time
from collections import Counter

from sizewise import __version__
from sizewise.records import Outcome, Verdict
from sizewise.report import pictures, tables
from sizewise.report.gathering import Gathered, gather
from sizewise.report.page import Page, VerdictCard, render
from sizewise.store.database import Store


def report_html(store: Store, key: str) -> str:
    """Return the self-contained HTML page of the study `key`; raise `StoreError` when there is none."""
    return render(page_of(gather(store, key)))


def page_of(gathered: Gathered) -> Page:
    """Return the page of a gathered study."""
    return Page(
        title=gathered.study.name,
        sentence=summary(gathered.verdicts),
        subtitle=_subtitle(gathered),
        verdicts=tuple(_card(verdict) for verdict in gathered.verdicts),
        plots=pictures.sections(gathered),
        tables=tables.sections(gathered),
        method=tuple(_method(gathered)),
    )


def sentence(verdict: Verdict) -> str:
    """Return the verdict in one sentence."""
    if verdict.outcome is Outcome.CHOSEN:
        more = ""
        if verdict.best and verdict.best != verdict.chosen:
            more = f", within {100 * verdict.margin:g} points of {verdict.best}, the best measured"
        return f"Run {verdict.chosen}{more}."
    if verdict.outcome is Outcome.TIE:
        return (
            f"{verdict.chosen} and its rivals cannot be told apart at this margin; run the cheapest, {verdict.chosen}."
        )
    if verdict.outcome is Outcome.UNDECIDED:
        return "Cannot tell yet: the evidence so far does not settle it."
    return "No candidate meets the goal."


def summary(verdicts: list[Verdict]) -> str:
    """Return all verdicts in one sentence."""
    if not verdicts:
        return "No verdict yet."
    if len(verdicts) == 1:
        return sentence(verdicts[0])
    chosen = Counter(verdict.chosen for verdict in verdicts if verdict.chosen)
    open_ones = [verdict for verdict in verdicts if not verdict.chosen]
    parts = [f"{name} for {', '.join(v.task for v in verdicts if v.chosen == name)}" for name in chosen]
    text = f"The size to run depends on the task: {'; '.join(parts)}." if len(chosen) > 1 else ""
    if len(chosen) == 1:
        text = f"Run {parts[0]}."
    if open_ones:
        text += f" Not settled: {', '.join(f'{v.task} ({v.outcome})' for v in open_ones)}."
    return text.strip()


def _card(verdict: Verdict) -> VerdictCard:
    effort = ""
    if verdict.calls_full_grid:
        share = 100 * verdict.calls / verdict.calls_full_grid
        effort = (
            f"{verdict.calls:,} calls, {share:.0f} % of the {verdict.calls_full_grid:,} "
            "that asking everything would take."
        )
    return VerdictCard(
        task=verdict.task,
        outcome=str(verdict.outcome),
        sentence=sentence(verdict),
        because=verdict.because,
        certificate=verdict.certificate,
        flips=verdict.flips,
        warnings=verdict.warnings,
        effort=effort,
        next_step=verdict.next_step,
    )


def _subtitle(gathered: Gathered) -> str:
    trials = sum(len(group) for group in gathered.trials.values())
    last = max((trial.finished_at for group in gathered.trials.values() for trial in group), default=0.0)
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(last)) if last else "not run yet"
    count = len(gathered.study.candidates)
    return f"{trials:,} answers of {count} candidates on {len(gathered.study.tasks)} tasks · last answer {when}"


def _method(gathered: Gathered) -> list[str]:
    study, goal = gathered.study, gathered.study.goal
    engines = sorted({trial.engine for group in gathered.trials.values() for trial in group if trial.engine})
    lines = [
        f"sizewise {__version__}, study {gathered.key}, seed {study.seed}, {study.repeats} answer(s) per item.",
        f"Good enough: at most {100 * goal.margin:g} points of mean score under the best candidate. Error levels: "
        f"{100 * goal.alpha_safe:g} % for choosing a model that is worse than that, "
        f"{100 * goal.alpha_overpay:g} % for naming a dearer one although a cheaper would do.",
        f"Candidates are ordered from cheap to dear by {study.order}; all answer the same items in one shared random "
        "order, and the comparison is paired item by item.",
        "Answers by: " + (", ".join(engines) or "none yet") + ".",
        "Prompts, answers, scores, times and settings of every trial are in the store; the page is computed from it.",
    ]
    for candidate in study.candidates:
        settings = candidate.settings
        lines.append(
            f"{candidate.name}: {candidate.runtime}, temperature {settings.temperature:g}, "
            f"at most {settings.max_output_tokens} tokens, retrieval {candidate.retrieval}, "
            f"prompt {candidate.prompt_variant}, {settings.concurrency} at a time."
        )
    lines += [f"{m.candidate}: {m.detail}" for m in gathered.measurements if m.kind == "machine" and m.detail]
    return lines
