"""What a run may spend and has spent."""

from __future__ import annotations

import time
from collections.abc import Callable

from sizewise.records import Budget, Trial


class Spending:
    """Counts calls, tokens, dollars and seconds against a budget; shared by all candidates of a run.

    A request in flight counts as a call at once; its tokens and dollars count when it ends, so these two can be
    passed by what is in flight.
    """

    def __init__(self, budget: Budget, *, now: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._now = now
        self._began_s = now()
        self.calls = 0
        self.tokens = 0
        self.usd = 0.0

    def start(self) -> bool:
        """Return whether one more request may go out, and count it."""
        if self.exhausted():
            return False
        self.calls += 1
        return True

    def add(self, trial: Trial) -> None:
        """Count what a finished trial used."""
        self.tokens += (trial.input_tokens or 0) + (trial.output_tokens or 0)
        self.usd += trial.cost_usd or 0.0

    def exhausted(self) -> str:
        """Return which part of the budget is used up, in words; an empty string while there is some left."""
        budget = self._budget
        if budget.calls is not None and self.calls >= budget.calls:
            return f"the budget of {budget.calls:,} calls is used up"
        if budget.tokens is not None and self.tokens >= budget.tokens:
            return f"the budget of {budget.tokens:,} tokens is used up"
        if budget.usd is not None and self.usd >= budget.usd:
            return f"the budget of ${budget.usd:g} is used up"
        if budget.seconds is not None and self._now() - self._began_s >= budget.seconds:
            return f"the time of {budget.seconds:g} s is used up"
        return ""
