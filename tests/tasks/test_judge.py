"""The judge: positions swapped, null answers, and an interval that covers."""

from __future__ import annotations

from random import Random

import pytest

from sizewise.errors import NotIdentifiable
from sizewise.records import Sample
from sizewise.tasks.scorers.answers import completion
from sizewise.tasks.scorers.judge import Calibration, compare, corrected_share, judge, null_control

ASKED = Sample(id="1", prompt="Capital of France?", target="Paris")


def honest(prompt: str) -> str:
    """Return YES when the block called ANSWER holds the word Paris."""
    block = prompt.split("<<<ANSWER\n")[1].split("\nANSWER>>>")[0]
    return "YES" if "Paris" in block else "No."


def test_an_honest_judge_gives_one_and_zero() -> None:
    scorer = judge(honest)
    assert scorer(ASKED, completion("It is Paris")).value == 1.0
    assert scorer(ASKED, completion("Rome")).value == 0.0
    assert scorer(ASKED, completion("")).valid is False


def test_a_judge_that_follows_the_position_is_inconsistent() -> None:
    def first_is_answer(prompt: str) -> str:
        return "YES" if prompt.index("<<<ANSWER") < prompt.index("<<<REFERENCE") else "NO"

    score = judge(first_is_answer)(ASKED, completion("Rome"))
    assert (score.value, score.axes["consistent"]) == (0.5, 0.0)


def test_babble_counts_as_no_and_is_told() -> None:
    score = judge(lambda _: "perhaps")(ASKED, completion("Paris"))
    assert score.value == 0.0
    assert "2 times of 2" in score.explanation


def test_preferences_are_asked_in_both_orders() -> None:
    def longer(prompt: str) -> str:
        one = prompt.split("<<<ONE\n")[1].split("\nONE>>>")[0]
        two = prompt.split("<<<TWO\n")[1].split("\nTWO>>>")[0]
        return "ONE" if len(one) > len(two) else "TWO"

    assert compare(longer, "q", "long answer", "short").value == 1.0
    assert compare(longer, "q", "short", "long answer").value == 0.0
    assert compare(lambda _: "TWO", "q", "a", "b").consistent is False


def test_the_null_control_shows_what_praise_buys() -> None:
    assert null_control(honest, [ASKED]) == 0.0
    assert null_control(lambda _: "YES", [ASKED]) == 1.0


def test_the_corrected_interval_covers_the_truth() -> None:
    """Seeded simulation: 95 % intervals must hold the true share at least 93 % of the time, biased judge or not."""
    rng = Random("judge")
    covered = rounds = 0
    for sensitivity, specificity, truth in ((0.95, 0.7, 0.3), (0.8, 0.9, 0.6), (0.9, 0.6, 0.9)):
        for _ in range(400):
            known = Calibration(
                right_said_right=sum(rng.random() < sensitivity for _ in range(80)),
                right_total=80,
                wrong_said_right=sum(rng.random() > specificity for _ in range(80)),
                wrong_total=80,
            )
            said = sum(rng.random() < (sensitivity if rng.random() < truth else 1 - specificity) for _ in range(300))
            estimate = corrected_share(said, 300, known)
            covered += estimate.low <= truth <= estimate.high
            rounds += 1
    assert covered / rounds >= 0.93


def test_a_judge_near_chance_is_refused() -> None:
    coin = Calibration(right_said_right=52, right_total=100, wrong_said_right=50, wrong_total=100)
    with pytest.raises(NotIdentifiable, match="hardly"):
        corrected_share(50, 100, coin)
    with pytest.raises(NotIdentifiable, match="Label some"):
        corrected_share(5, 10, Calibration(right_said_right=0, right_total=0, wrong_said_right=0, wrong_total=1))
