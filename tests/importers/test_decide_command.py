"""`sizewise decide` and `sizewise power` on real matrices; the expected numbers are worked by hand.

CRUX (51 models, 800 items): the best, o1-preview, has 761 right (95.125 %); o1-mini has 749 (93.625 %), 1.5 points less
and so within 3; the cheaper one that comes nearest, gemini-1.5-pro-exp-0827, has 625 (78.125 %), 17 points less.
RouteLLM (15,361 items): Mixtral 10,402 right (67.72 %), GPT-4 12,445 (81.02 %); 13,282 are right in one of the two,
Mixtral misses 4,959.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sizewise.cli.app import group

DATA = Path(__file__).parent / "data"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(group, list(arguments))


def verdict(*arguments: str) -> dict[str, Any]:
    result = call("decide", *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)["verdicts"][0]
    return found


def test_crux_is_decided_as_worked_by_hand() -> None:
    found = verdict(str(DATA / "zeroeval_crux_correct.parquet"))
    assert (found["chosen"], found["best"]) == ("o1-mini-2024-09-12", "o1-preview-2024-09-12")
    assert found["because"][0] == (
        "o1-mini-2024-09-12 scores 93.6 %, 1.5 points below the best, o1-preview-2024-09-12 (95.1 %); the margin is 3"
    )
    assert "On these 800 items: exact" in found["certificate"]
    assert "For future items like these: not shown at 3 points" in found["certificate"]
    assert "gemini-1.5-pro-exp-0827: o1-preview-2024-09-12 leads it by 17.0 points" in found["because"]
    chosen = next(s for s in found["standings"] if s["candidate"] == found["chosen"])
    assert chosen["score"]["value"] == pytest.approx(749 / 800)
    assert chosen["cost_per_success"]["value"] == pytest.approx(chosen["cost"] * 800 / 749)
    cascade = found["cascade"]
    assert (cascade["small"], cascade["large"]) == ("gemini-1.5-flash-exp-0827", "o1-mini-2024-09-12")
    assert cascade["escalated"]["value"] == pytest.approx(203 / 800)
    assert "never wrong" in cascade["guarantee"]
    assert cascade["better_than_single"]


def test_routellm_is_decided_as_worked_by_hand() -> None:
    costs = ("--cost", "mixtral_8x7b=0.6", "--cost", "gpt4_1106=30")
    found = verdict(str(DATA / "routellm_pairs.parquet"), *costs)
    assert found["chosen"] == "gpt4_1106"
    assert "gpt4_1106 is shown to be within 3 points at 95 %" in found["certificate"]
    assert "mixtral_8x7b: gpt4_1106 leads it by 13.3 points" in found["because"]
    cascade = found["cascade"]
    assert cascade["score"]["value"] == pytest.approx(13282 / 15361)
    assert cascade["cost_per_success"]["value"] == pytest.approx((15361 * 0.6 + 4959 * 30) / 13282)
    chosen = next(s for s in found["standings"] if s["candidate"] == "gpt4_1106")
    assert chosen["cost_per_success"]["value"] == pytest.approx(30 * 15361 / 12445)


def test_one_task_of_routellm_goes_to_the_small_one() -> None:
    found = verdict(
        str(DATA / "routellm_pairs.parquet"),
        "--cost",
        "mixtral_8x7b=0.6",
        "--cost",
        "gpt4_1106=30",
        "--task",
        "mmlu_marketing",
    )
    assert found["chosen"] == "mixtral_8x7b"


def test_the_text_for_people_says_choice_certificate_cost_cascade_and_next_step() -> None:
    result = call("decide", str(DATA / "zeroeval_crux_correct.parquet"))
    assert result.exit_code == 0
    for words in (
        "zeroeval_crux_correct: o1-mini-2024-09-12  (chosen; margin 3 points)",
        "On these 800 items: exact",
        "cost per right answer: 0.0024",
        "best cascade: gemini-1.5-flash-exp-0827, then o1-mini-2024-09-12",
        "is bigger better here?",
        "would change it: a margin below 1.50 points",
        "next: sizewise power",
    ):
        assert words in result.stdout


def test_the_exit_code_says_undecided_and_infeasible(tmp_path: Path) -> None:
    scores = tmp_path / "few.csv"
    scores.write_text("item,small,large\n" + "".join(f"{i},{int(i > 2)},{int(i < 3 or i > 5)}\n" for i in range(20)))
    assert call("decide", str(scores), "--future").exit_code == 3
    assert call("decide", str(scores), "--min-score", "0.9", "--models", "small").exit_code == 4
    assert call("decide", str(scores)).exit_code == 0


def test_power_gives_the_published_numbers() -> None:
    assert "1,374 items show a margin of 3 points" in call("power").stdout
    assert "2,825 items when every answer is looked at as it comes" in call("power").stdout
    data = json.loads(call("power", "--margin", "0.05", "--items", "124", "--json").stdout)
    assert data["items_needed"] == 495
    assert data["margin_shown"] == pytest.approx(0.1, abs=0.001)
    assert "No number of items" in call("power", "--gap", "0.03").stdout
