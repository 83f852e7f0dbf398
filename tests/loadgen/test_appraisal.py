"""The choice between servers, and a whole appraisal of the mock with judged answers."""

from __future__ import annotations

from dataclasses import replace

from sizewise.loadgen.appraisal import Appraisal, Ask, appraise, cheapest
from sizewise.loadgen.endpoint import find_endpoint
from sizewise.loadgen.energy import Energy
from sizewise.loadgen.intervals import Figure
from sizewise.loadgen.join import per_accepted
from sizewise.loadgen.measuring import LoadResult
from sizewise.loadgen.mock import Behaviour, mock_server
from sizewise.loadgen.plan import LoadPlan, Slo
from sizewise.loadgen.search import KneeResult
from sizewise.loadgen.summary import summarise
from sizewise.records import Completion, Estimate, Message, Price, Request, Settings, Source

PLAN = LoadPlan(rate_per_s=30.0, duration_s=2.0, warmup_s=0.0)


def exact(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value, source=Source.MEASURED)


def server(name: str, *, score: float, usd: float, holds: bool = True) -> Appraisal:
    summary = summarise(PLAN, [], slo=Slo(total_s=1.0), lags_s=[], cpu_s=0.0, cpu_share=0.0, wall_s=2.0)
    result = LoadResult(
        endpoint="",
        model=name,
        plan=PLAN,
        summary=summary,
        audit=None,
        energy=Energy(joules=None, how=""),
        taken_at=0.0,
    )
    knee = KneeResult(knee=exact(5.0 if holds else 0.0), closed=False, probes=(), at_knee=result if holds else None)
    per = per_accepted(share=exact(score), rate_per_s=exact(5.0), usd_per_request=exact(usd))
    quality = Figure(value=score, low=score, high=score, count=100)
    return Appraisal(name=name, result=result, knee=knee, quality=quality, per_accepted=per if holds else None)


def test_the_cheapest_accepted_answer_wins_not_the_cheapest_request() -> None:
    ask = Ask(plan=PLAN, slo=Slo(total_s=1.0))
    choice = cheapest([server("small", score=0.2, usd=1.0), server("large", score=0.9, usd=3.0)], ask)
    assert choice.name == "large"
    assert "small takes 1.50 times as much" in choice.because


def test_the_choice_changes_when_a_tighter_limit_shuts_the_large_one_out() -> None:
    ask = Ask(plan=PLAN, slo=Slo(total_s=0.1))
    found = [server("small", score=0.2, usd=1.0), server("large", score=0.9, usd=3.0, holds=False)]
    choice = cheapest(found, ask)
    assert choice.name == "small"
    assert "large: no load holds total <= 100 ms" in choice.because
    assert cheapest(found, replace(ask, min_score=0.8)).name is None


async def test_answers_of_the_load_test_are_judged_and_priced() -> None:
    requests = [
        Request(messages=(Message(role="user", content=f"item {i}"),), settings=Settings(max_output_tokens=4), model="")
        for i in range(4)
    ]

    def judge(prompt: int, answer: Completion) -> float:
        assert answer.text == " ok ok ok ok"
        return float(prompt < 3)

    ask = Ask(
        plan=PLAN, slo=Slo(total_s=30.0), requests=requests, judge=judge, audit=False,
        price=Price(input_usd_per_mtok=0.0, output_usd_per_mtok=1.0),
    )  # fmt: skip
    async with mock_server(Behaviour(tokens=4, ttft_s=0.002, gap_s=0.001)) as mock:
        found = await appraise("mock", await find_endpoint(mock.url), ask)
    assert found.accepted is not None
    share = sum(shot.prompt < 3 for shot in found.result.shots) / len(found.result.shots)
    assert found.accepted.value == share
    assert found.per_accepted is not None
    assert found.per_accepted.usd is not None
    assert abs(found.per_accepted.usd.value - 4e-6 / share) < 1e-12
    assert found.money == "token price"
