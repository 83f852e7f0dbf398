"""Every scorer on right, wrong, ill-formed, refusing and abstaining answers."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from sizewise.errors import ConfigError
from sizewise.records import Sample
from sizewise.tasks import failures
from sizewise.tasks.scorers import json_answers, plain
from sizewise.tasks.scorers.answers import completion
from sizewise.tasks.scorers.catalogue import make_scorer
from sizewise.tasks.scorers.patterns import PatternMatcher
from sizewise.tasks.scorers.similarity import similarity
from sizewise.tasks.scorers.tool_calls import tool_calls

CATASTROPHE = r"(a+)+b"


def sample(target: Any, **fields: Any) -> Sample:
    return Sample(id="1", prompt="?", target=target, **fields)


def values(
    name: str, target: Any, text: str, options: dict[str, Any] | None = None, **fields: Any
) -> tuple[float, Any]:
    score = make_scorer(name, options)(sample(target, **fields), completion(text))
    return score.value, score.lenient


@pytest.mark.parametrize(
    ("name", "target", "text", "expected"),
    [
        ("exact", "Paris", " Paris\n", (1, 1)),
        ("exact", "Paris", "paris", (0, 1)),
        ("exact", ["Paris", "Lutetia"], "Lutetia", (1, 1)),
        ("normalized", "The Eiffel Tower", "eiffel tower!", (1, 1)),
        ("normalized", "Paris", "It is Paris, of course", (0, 1)),
        ("normalized", "Paris", "comparison", (0, 0)),
        ("normalized", "straße", "STRASSE", (1, 1)),
        ("normalized", "?", "?", (1, 1)),
        ("numeric", 1234.5, "1,234.5", (1, 1)),
        ("numeric", "12", "The answer is 12.", (1, 1)),
        ("numeric", 12, "first 3, then 12", (0, 1)),
        ("numeric", -5, "−5", (1, 1)),
        ("numeric", 12, "twelve", (0, 0)),
        ("numeric", 0.1, "1e-1", (1, 1)),
        ("numeric", 1, "9" * 500, (0, 0)),
        ("set", ["Ann", "Bo"], "- ann\n- bo", (1, None)),
        ("set", ["Ann", "Bo"], '["Bo", "Ann"]', (1, None)),
        ("set", ["Ann"], "Cy", (0, None)),
        ("set", [], "none", (1, None)),
        ("set", [], "", (0, None)),
    ],
)
def test_short_answers(name: str, target: Any, text: str, expected: tuple[float, Any]) -> None:
    assert values(name, target, text) == expected


def test_numeric_tolerance() -> None:
    assert values("numeric", 100, "104", {"relative": 0.05})[0] == 1
    assert values("numeric", 100, "106", {"relative": 0.05})[0] == 0
    assert values("numeric", 0, "0.4", {"absolute": 0.5})[0] == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B", (1, 1)), ("(b)", (1, 1)), ("blue", (1, 1)), ("The answer is B.", (1, 1)), ("B) blue", (0, 1)),
        ("A", (0, 0)), ("A or B", (0, 0)), ("I like blue", (0, 1)), ("red or blue", (0, 0)), ("", (0, 0)),
    ],
)  # fmt: skip
def test_choice(text: str, expected: tuple[float, Any]) -> None:
    for target in ("B", "blue", 1):
        assert values("choice", target, text, attributes={"choices": ("red", "blue")}) == expected


def test_f1_counts_repeats() -> None:
    assert values("set", ["a1", "b1"], "a1, a1, b1")[0] == pytest.approx(0.8)


def test_regex_groups_and_whole_match() -> None:
    assert values("regex", "12", "12 apples", {"pattern": r"(\d+) apples"}) == (1, 1)
    assert values("regex", "13", "12 apples", {"pattern": r"(\d+) apples"}) == (0, 0)
    assert values("regex", r"\d+", "I have 12") == (0, 1)
    with pytest.raises(ConfigError, match="no regular expression"):
        make_scorer("regex", {"pattern": "("})


def test_a_catastrophic_pattern_is_given_up_and_the_next_answer_is_judged() -> None:
    scorer = make_scorer("regex", {"pattern": CATASTROPHE, "timeout_s": 0.5})
    started = time.monotonic()
    score = scorer(sample(""), completion("a" * 60))
    assert time.monotonic() - started < 10
    assert (score.value, score.valid) == (0.0, False)
    assert "not decided" in score.explanation
    assert scorer(sample("aa"), completion("aab")).value == 1.0


def test_the_matcher_can_be_closed_twice() -> None:
    matcher = PatternMatcher()
    assert matcher.search("a", "a") == (True, "a")
    matcher.close()
    matcher.close()
    assert matcher.search("b", "a") is None
    matcher.close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.a.b[0]", 1),
        ("a.b[-1]", 2),
        ("$['a'].b", [1, 2]),
        ("$.a.b[*]", [1, 2]),
        ("$.a.*", [[1, 2]]),
        ("$", {"a": {"b": [1, 2]}}),
    ],
)
def test_json_paths(path: str, expected: Any) -> None:
    assert json_answers.at_path({"a": {"b": [1, 2]}}, path) == expected


@pytest.mark.parametrize("path", ["$.a.b[9]", "$.c", "$.a[0]"])
def test_paths_that_lead_nowhere(path: str) -> None:
    assert json_answers.at_path({"a": {"b": [1, 2]}}, path) is json_answers.MISSING


def test_a_broken_path_is_a_usage_error() -> None:
    with pytest.raises(ConfigError, match="cannot read the JSON path"):
        make_scorer("json_path", {"path": "$..a"})
    with pytest.raises(ConfigError, match="needs the option `path`"):
        make_scorer("json_path")


def test_json_path_scores_value_and_form_apart() -> None:
    options = {"path": "$.n"}
    assert values("json_path", 3, '{"n": 3}', options) == (1, 1)
    assert values("json_path", 3, 'Sure: {"n": 3.0}', options) == (0, 1)
    assert values("json_path", 3, '{"n": true}', options) == (0, 0)
    assert make_scorer("json_path", options)(sample(3), completion("{")).valid is False


SCHEMA = json.dumps({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})


@pytest.mark.parametrize(
    ("text", "value", "valid", "lenient"),
    [
        ('{"n": 3}', 1, True, 1), ('{"n": 4}', 0, True, 0), ('{"n": "3"}', 0, False, 0), ("n is 3", 0, False, 0),
        ('```json\n{"n": 3}\n```', 0, False, 1), ('{"n": NaN}', 0, False, 0), ("[" * 5000, 0, False, 0),
    ],
)  # fmt: skip
def test_json_schema(text: str, value: float, valid: bool, lenient: float) -> None:
    score = json_answers.json_schema(sample({"n": 3}, json_schema=SCHEMA), completion(text))
    assert (score.value, score.valid, score.lenient) == (value, valid, lenient)


def test_schemas_never_fetch_and_faults_are_the_users() -> None:
    with pytest.raises(ConfigError, match="refers to"):
        json_answers.schema_errors({}, '{"$ref": "http://127.0.0.1:9/x.json"}')
    with pytest.raises(ConfigError, match="not valid"):
        json_answers.schema_errors({}, '{"type": "nothing"}')


TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {
                "name": name,
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            },
        }
        for name in ("weather", "time")
    ]
)
CALL = {"name": "weather", "arguments": {"city": "Rome"}}


@pytest.mark.parametrize(
    ("text", "calls", "target", "value", "valid"),
    [
        ("", [CALL], [CALL], 1, True),
        (json.dumps([CALL]), None, [CALL], 1, True),
        (json.dumps(CALL), None, [CALL], 1, True),
        ("", [{"name": "weather", "arguments": '{"city": "Rome"}'}], [CALL], 1, True),
        ("", [{"function": {"name": "weather", "arguments": '{"city": "Rome"}'}}], [CALL], 1, True),
        ("", [{"name": "time", "arguments": {"city": "Rome"}}], [CALL], 0, True),
        ("", [{"name": "wether", "arguments": {"city": "Rome"}}], [CALL], 0, False),
        ("", [{"name": "weather", "arguments": {}}], [CALL], 0, False),
        ("", [CALL, CALL], [CALL], 0, True),
        ("It is sunny.", None, [CALL], 0, False),
        ("It is sunny.", None, [], 1, True),
        ("[]", None, [], 1, True),
        ("", [CALL], [], 0, True),
        ('{"name": "weather", ', None, [], 0, False),
    ],
)
def test_tool_calls(text: str, calls: Any, target: Any, value: float, valid: bool) -> None:
    answer = completion(text, json.dumps(calls) if calls else None)
    score = tool_calls(sample(target, tools=TOOLS), answer)
    assert (score.value, score.valid) == (value, valid)


def test_parallel_calls_match_in_any_order() -> None:
    other = {"name": "time", "arguments": {"city": "Oslo"}}
    score = tool_calls(sample([CALL, other], tools=TOOLS), completion(json.dumps([other, CALL])))
    assert score.value == 1.0
    half = tool_calls(sample([CALL, other], tools=TOOLS), completion(json.dumps([CALL])))
    assert (half.value, half.axes["tool"]) == (0.0, 0.0)


def test_similarity_takes_any_embedder_and_names_the_missing_extra() -> None:
    def letters(texts: Any) -> list[list[float]]:
        return [[float(text.count(letter)) for letter in "abc"] for text in texts]

    scorer = similarity(embed=letters, threshold=0.9)
    assert scorer(sample(["ab", "cc"]), completion("c")).value == 1.0
    assert scorer(sample("ab"), completion("c")).value == 0.0
    assert scorer(sample("ab"), completion("")).valid is False
    with pytest.raises(ConfigError, match="needs the option `model`"):
        make_scorer("similarity")


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.", "I cannot assist with this request.", "I’m unable to comply.",
        "Sorry, I can't do this.", "As an AI language model, I cannot provide that.", "I won't do that.",
        "I must decline this request.", "Je ne peux pas vous aider.", "I am not able to help here.",
    ],
)  # fmt: skip
def test_refusals_are_seen(text: str) -> None:
    assert failures.refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "Paris",
        "You can't divide by zero.",
        "I cannot be certain, but Paris.",
        "I can't find it in the text.",
        "The cannot.",
        "",
    ],
)
def test_other_answers_are_no_refusals(text: str) -> None:
    assert not failures.refused(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("I don't know.", True), ("Unknown", True), ("The text does not say.", True), ("It is not mentioned.", True),
        ("It cannot be determined.", True), ("I'm not sure.", True), ("n/a", True), ("Paris", False),
        ("The unknown soldier", False), ("No, it is 5.", False),
    ],
)  # fmt: skip
def test_abstentions(text: str, said: bool) -> None:
    assert failures.abstained(text) is said


@pytest.mark.parametrize(
    ("text", "looped"),
    [
        ("I will think about it. " * 30, True), ("abcabc" * 40, True), ("no " * 100, True), ("a" * 500, True),
        ("x. " * 10 + "Then something else entirely was said to end it.", False),
        (" ".join(str(number) for number in range(500)), False), ("yes yes yes", False), ("", False),
        ("The total is 5 and then: " + "ab\n" * 100, True),
    ],
)  # fmt: skip
def test_loops(text: str, looped: bool) -> None:
    assert failures.looped(text) is looped


def test_looking_for_loops_is_fast_on_long_text() -> None:
    started = time.monotonic()
    failures.looped("ab" * 3_000_000 + "c")
    assert time.monotonic() - started < 2


def test_an_unanswerable_sample_is_right_when_one_says_so() -> None:
    asked = sample(None, unanswerable=True)
    known = plain.normalized(asked, completion("I don't know."))
    assert (known.value, known.abstained, known.hallucinated) == (1.0, True, False)
    made_up = plain.normalized(asked, completion("Paris"))
    assert (made_up.value, made_up.hallucinated) == (0.0, True)


def test_abstaining_where_an_answer_exists_is_wrong_and_not_made_up() -> None:
    score = plain.normalized(sample("Paris"), completion("I don't know."))
    assert (score.value, score.abstained, score.hallucinated, score.refused) == (0.0, True, False, False)
    refusal = plain.normalized(sample("Paris"), completion("I can't help with that."))
    assert (refusal.refused, refusal.abstained) == (True, False)
