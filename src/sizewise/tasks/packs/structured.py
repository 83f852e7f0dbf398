"""Structured output: records into JSON that meets a schema, and tool calls: which tool, several at once, none."""

from __future__ import annotations

from random import Random
from typing import Any

from sizewise.tasks.packs.base import Draft, Kind, Pack, as_json
from sizewise.tasks.packs.vocabulary import FIRST_NAMES, MONTHS, PRODUCTS, listed, made_up, several
from sizewise.tasks.scorers.json_answers import json_schema
from sizewise.tasks.scorers.tool_calls import tool_calls

_EXTRACT = "Read the text and reply with one JSON object that meets this schema. Reply with the JSON only."
_EXTRACT_OTHER = "Turn the text into a JSON object according to the schema below. Output nothing but the JSON."


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _order(rng: Random, level: int) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return (value, schema, text) of an order with one line, or with several lines and an address."""
    buyer, city = rng.choice(FIRST_NAMES), made_up(rng)
    lines = [
        {"product": product, "quantity": rng.randint(1, 40), "unit_price": rng.randint(100, 9999) / 100}
        for product in rng.sample(PRODUCTS, 1 if level == 1 else level)
    ]
    day, month = rng.randint(1, 28), rng.randrange(12)
    date = f"2026-{month + 1:02d}-{day:02d}"
    said = [
        f"{line['quantity']} pieces of the {line['product']} at {line['unit_price']:.2f} euros each" for line in lines
    ]
    if level == 1:
        value: dict[str, Any] = {"buyer": buyer, "product": lines[0]["product"], "quantity": lines[0]["quantity"]}
        schema = _object({"buyer": {"type": "string"}, "product": {"type": "string"}, "quantity": {"type": "integer"}})
        return value, schema, f"{buyer} ordered {lines[0]['quantity']} pieces of the {lines[0]['product']}."
    line_schema = _object(
        {"product": {"type": "string"}, "quantity": {"type": "integer"}, "unit_price": {"type": "number"}}
    )
    value = {"buyer": {"name": buyer, "city": city}, "date": date, "lines": lines}
    schema = _object(
        {
            "buyer": _object({"name": {"type": "string"}, "city": {"type": "string"}}),
            "date": {"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}$"},
            "lines": {"type": "array", "items": line_schema},
        }
    )
    text = f"On {day} {MONTHS[month]} 2026 {buyer} from {city} ordered {listed(said)}."
    if level >= 3:
        value["express"] = rng.random() < 0.5
        value["note"] = None
        schema["properties"] |= {"express": {"type": "boolean"}, "note": {"type": ["string", "null"]}}
        schema["required"] = list(schema["properties"])
        text += " Express delivery was asked for." if value["express"] else " Normal delivery is enough."
        text += " There is no note."
    if level >= 4:
        text = _with_corrections(rng, text, lines, said)
    return value, schema, text


def _with_corrections(rng: Random, text: str, lines: list[dict[str, Any]], said: list[str]) -> str:
    """Return the text with one line first stated wrongly and corrected later, and someone else's order in it."""
    changed = rng.randrange(len(lines))
    line = lines[changed]
    false = line["quantity"] + rng.randint(1, 9)
    text = text.replace(said[changed], said[changed].replace(f"{line['quantity']} ", f"{false} ", 1))
    other, thing = rng.choice(FIRST_NAMES) + " Senior", rng.choice(PRODUCTS)
    return (
        f"Not for this order: {other} returned {rng.randint(1, 9)} pieces of a {thing} on the same day. {text} "
        f"Correction by phone an hour later: of the {line['product']} it is {line['quantity']} pieces, not {false}. "
        "Products in the order they were ordered."
    )


def _extract(rng: Random, level: int) -> Draft:
    value, schema, text = _order(rng, level)
    wrong = dict(value)
    wrong["buyer"] = "Nobody" if level == 1 else {"name": "Nobody", "city": "Nowhere"}
    return Draft(
        instruction=_EXTRACT,
        paraphrase=_EXTRACT_OTHER,
        payload=f"Schema: {as_json(schema)}\n\nText: {text}",
        target=value,
        json_schema=as_json(schema),
        oracle=as_json(value),
        wrong=as_json(wrong),
        broken="Here is the JSON you asked for:\n```\n" + as_json(value)[:-1] + "\n```",
    )


# --------------------------------------------------------------------------- tools

_CURRENCIES = ["EUR", "USD", "JPY"]
_TOOLS: dict[str, tuple[str, dict[str, Any], str]] = {
    "get_weather": (
        "Weather of a city on a day", {"city": {"type": "string"}, "day": {"enum": ["today", "tomorrow"]}},
        "What will the weather be in {city} {day}?",
    ),
    "convert_money": (
        "Convert an amount between two currencies",
        {"amount": {"type": "number"}, "source": {"enum": _CURRENCIES}, "target": {"enum": _CURRENCIES}},
        "How much is {amount} {source} in {target}?",
    ),
    "send_message": (
        "Send a text to a person", {"to": {"type": "string"}, "text": {"type": "string"}},
        'Send {to} the message "{text}".',
    ),
    "set_timer": ("Start a countdown", {"minutes": {"type": "integer"}}, "Start a timer of {minutes} minutes."),
    "set_alarm": (
        "Ring at a time of day", {"hour": {"type": "integer"}, "minute": {"type": "integer"}},
        "Wake me up at {hour}:{minute:02d}.",
    ),
    "find_flight": (
        "Flights between two cities", {"source": {"type": "string"}, "target": {"type": "string"}},
        "Which flights go from {source} to {target}?",
    ),
    "find_train": (
        "Trains between two cities", {"source": {"type": "string"}, "target": {"type": "string"}},
        "Which trains go from {source} to {target}?",
    ),
    "add_item": (
        "Put something on the shopping list", {"item": {"type": "string"}, "count": {"type": "integer"}},
        "Put {count} of the item {item} on my shopping list.",
    ),
}  # fmt: skip
"""Tool -> (description, parameters, a sentence that asks for it)."""

_UNMET = (
    "What do you think of {name}'s new haircut?",
    "Tell me a joke about {name} and a {thing}.",
    "Is a {thing} a good present for {name}?",
    "Write a rhyme that holds the words {name} and {thing}.",
)
_CALL = (
    'Reply with a JSON list of tool calls, each {"name": ..., "arguments": {...}}, that does what the user asks. '
    "Reply with [] when no tool fits. Reply with the JSON only."
)
_CALL_OTHER = (
    'Which tools must be called for the request below? Output a JSON list of objects with "name" and "arguments", '
    "the empty list [] if none of the tools can do it, and nothing else."
)


def _arguments(rng: Random, name: str) -> dict[str, Any]:
    one, two = several(rng, 2)
    money = rng.sample(_CURRENCIES, 2)
    choices: dict[str, dict[str, Any]] = {
        "get_weather": {"city": one, "day": rng.choice(["today", "tomorrow"])},
        "convert_money": {"amount": rng.randint(5, 900), "source": money[0], "target": money[1]},
        "send_message": {"to": rng.choice(FIRST_NAMES), "text": f"see you in {two}"},
        "set_timer": {"minutes": rng.randint(2, 90)},
        "set_alarm": {"hour": rng.randint(5, 22), "minute": rng.choice([0, 5, 15, 20, 30, 45])},
        "find_flight": {"source": one, "target": two},
        "find_train": {"source": one, "target": two},
        "add_item": {"item": rng.choice(PRODUCTS), "count": rng.randint(1, 12)},
    }
    return choices[name]


def _definitions(names: list[str]) -> str:
    return as_json(
        [
            {
                "type": "function",
                "function": {"name": n, "description": _TOOLS[n][0], "parameters": _object(_TOOLS[n][1])},
            }
            for n in names
        ]
    )


def _call_draft(request: str, names: list[str], calls: list[dict[str, Any]], spare: str) -> Draft:
    definitions = _definitions(names)
    other = next(name for name in names if name not in [call["name"] for call in calls])
    return Draft(
        instruction=_CALL,
        paraphrase=_CALL_OTHER,
        payload=f"Tools: {definitions}\n\nUser: {request}",
        target=calls,
        tools=definitions,
        oracle=as_json(calls),
        wrong=as_json([{"name": other, "arguments": _arguments(Random(spare), other)}]),
        broken='{"name": "' + other + '", "arguments": {',
    )


def _call(rng: Random, level: int) -> Draft:
    """Return one request for one tool, from level 3 on for several."""
    names = rng.sample(sorted(_TOOLS), {1: 2, 2: 5, 3: 6, 4: 8}[level])
    count = {1: 1, 2: 1, 3: 2, 4: 4}[level]
    calls = [{"name": name, "arguments": _arguments(rng, name)} for name in rng.sample(names, count)]
    if level == 4:  # one tool twice, with other arguments
        calls[1] = {"name": calls[0]["name"], "arguments": _arguments(rng, str(calls[0]["name"]))}
        while calls[1] == calls[0]:
            calls[1] = {"name": calls[0]["name"], "arguments": _arguments(rng, str(calls[0]["name"]))}
    said = [_TOOLS[str(call["name"])][2].format(**_plain(call)) for call in calls]
    return _call_draft(" ".join(said), names, calls, " ".join(said))


def _plain(call: dict[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = call["arguments"]
    return arguments


def _none(rng: Random, level: int) -> Draft:
    """Return a request that none of the tools meets."""
    names = rng.sample(sorted(_TOOLS), {1: 2, 2: 4, 3: 6, 4: 8}[level])
    request = rng.choice(_UNMET).format(name=rng.choice(FIRST_NAMES), thing=rng.choice(PRODUCTS))
    if level >= 3:
        absent = rng.choice([name for name in sorted(_TOOLS) if name not in names] or ["get_weather"])
        names = [name for name in names if name != absent]
        request = _TOOLS[absent][2].format(**_arguments(rng, absent))
    return _call_draft(request, names, [], request)


PACK = Pack(
    name="structured",
    title="JSON that meets a schema, and tool calls",
    levels=(
        "one field of a flat record into JSON",
        "three fields; one tool of two, or none",
        "nested objects and a list; one tool of five",
        "booleans and nulls as well; two calls at once; a tool that is missing",
        "facts corrected later in the text; four calls at once, one tool twice",
    ),
    skills=("json",),
    kinds=(
        Kind(name="extract", make=_extract, score=json_schema),
        Kind(name="call", make=_call, score=tool_calls),
        Kind(name="none", make=_none, score=tool_calls),
    ),
    max_output_tokens=(96, 192, 256, 384),
)
