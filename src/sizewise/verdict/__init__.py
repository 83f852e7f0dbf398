"""The verdict: decide(evidence, goal) -> Verdict. Pure arithmetic on records.

Not covered: judging answers (`tasks`), prices of machines (`prediction`), more than one task at once except by
`decide_all`, which adjusts the error levels for their number.
"""

from sizewise.verdict.decide import decide, decide_all
from sizewise.verdict.limits import limit_breakers

__all__ = ["decide", "decide_all", "limit_breakers"]
