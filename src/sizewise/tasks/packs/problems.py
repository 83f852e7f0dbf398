"""Problems of the code pack by level: pipelines on lists, texts and tables, algorithms, slow and unsafe programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from string import Template
from textwrap import dedent
from typing import Any

from sizewise.tasks.packs.programs import NAME, Problem

Call = tuple[Any, ...]
Draw = Callable[[Random], Problem]


def _code(text: str, **values: object) -> str:
    """Return a program from an indented template with $names."""
    return Template(dedent(text).lstrip("\n")).substitute(
        name=NAME, **{key: str(value) for key, value in values.items()}
    )


# --------------------------------------------------------------------------- pipelines


@dataclass(frozen=True, slots=True)
class _Step:
    says: str
    short: str
    """Statement that rebinds `values`."""
    long: str = field(default="")
    """The same as lines of a clumsy program, indented by four."""


def _keep(says: str, condition: str) -> _Step:
    long = (
        "    kept = []\n    for index in range(0, len(values)):\n        v = values[index]\n        good = False\n"
        f"        if {condition}:\n            good = True\n        else:\n            good = False\n"
        "        if good == True:\n            if len(kept) == 0:\n                kept = [v]\n            else:\n"
        "                kept = kept + [v]\n    values = kept\n"
    )
    return _Step(says, f"values = [v for v in values if {condition}]", long)


def _change(says: str, expression: str) -> _Step:
    long = (
        "    changed = []\n    for index in range(0, len(values)):\n        v = values[index]\n"
        f"        new = {expression}\n        if len(changed) > 0:\n            changed = changed + [new]\n"
        "        else:\n            changed = [new]\n    values = changed\n"
    )
    return _Step(says, f"values = [{expression} for v in values]", long)


def _steps(rng: Random) -> list[_Step]:
    k, t = rng.randint(2, 5), rng.randint(-5, 15)
    return [
        _keep("keep only the even values", "v % 2 == 0"),
        _keep(f"keep only the values that {k} divides without rest", f"v % {k} == 0"),
        _keep(f"keep only the values greater than {t}", f"v > {t}"),
        _keep(f"drop the values that are less than {t - 8}", f"v >= {t - 8}"),
        _change(f"multiply every value by {k}", f"v * {k}"),
        _change(f"add {t} to every value", f"v + {t}"),
        _change("replace every value by its absolute value", "abs(v)"),
        _change(f"replace every value by its rest modulo {k + 5} (as Python's % gives it)", f"v % {k + 5}"),
        _Step("sort the values in ascending order", "values = sorted(values)", "    values = sorted(values)\n"),
        _Step("reverse the order of the values", "values = values[::-1]", "    values = values[::-1]\n"),
        _Step(f"drop the first {k - 1} values", f"values = values[{k - 1}:]", f"    values = values[{k - 1}:]\n"),
        _Step(
            "keep every second value, beginning with the first", "values = values[::2]", "    values = values[::2]\n"
        ),
    ]


_ENDS = (
    ("return the sum of the values", "return sum(values)"),
    ("return how many values there are", "return len(values)"),
    ("return the largest value, or 0 when there is none", "return max(values, default=0)"),
    ("return the list of values", "return values"),
)


def pipeline(rng: Random, steps: int) -> Problem:
    """Return a function that does `steps` things to a list of whole numbers, one after the other."""
    chosen: list[_Step] = []
    for step in rng.sample(_steps(rng), 12):
        if len(chosen) < steps:
            chosen.append(step)
    end_says, end = rng.choice(_ENDS)
    says = "Take a list of whole numbers. " + "; then ".join([step.says for step in chosen] + [end_says]) + "."
    head = f"def {NAME}(values):\n"
    source = head + "".join(f"    {step.short}\n" for step in chosen) + f"    {end}\n"
    clumsy = head + "".join(step.long for step in chosen) + f"    {end}\n"
    calls = [([rng.randint(-30, 40) for _ in range(size)],) for size in (0, 1, 2, 5, 8, 12, 20, 30)]
    return Problem(signature=f"{NAME}(values)", says=says, source=source, clumsy=clumsy, calls=tuple(calls))


# --------------------------------------------------------------------------- texts, tables, algorithms


def _runs(rng: Random) -> Problem:
    k = rng.randint(2, 4)
    calls: list[Call] = [("",), ("a",)]
    calls += [("".join(rng.choice("abc") * rng.randint(1, 5) for _ in range(n)),) for n in (2, 3, 5, 8, 9)]
    return Problem(
        signature=f"{NAME}(text)",
        says=f"Take a text. Replace every run of {k} or more equal characters by the character and the length of the "
        "run "
        "as digits; leave shorter runs as they are. Return the new text.",
        source=_code(
            """
            from itertools import groupby

            def $name(text):
                parts = []
                for letter, group in groupby(text):
                    size = len(list(group))
                    parts.append(letter + str(size) if size >= $k else letter * size)
                return "".join(parts)
            """,
            k=k,
        ),
        calls=tuple(calls),
    )


def _groups(rng: Random) -> Problem:
    t = rng.randint(10, 30)
    calls: list[Call] = [([],)]
    calls += [([[rng.choice("abcdef"), rng.randint(1, 16)] for _ in range(n)],) for n in (1, 4, 8, 12, 16, 20)]
    return Problem(
        signature=f"{NAME}(pairs)",
        says="Take a list of [name, number] pairs. Add up the numbers of each name. Return the names whose total is at "
        f"least {t}, as a list, largest total first, equal totals in alphabetical order.",
        source=_code(
            """
            def $name(pairs):
                totals = {}
                for name, number in pairs:
                    totals[name] = totals.get(name, 0) + number
                kept = [name for name in totals if totals[name] >= $t]
                return sorted(kept, key=lambda name: (-totals[name], name))
            """,
            t=t,
        ),
        calls=tuple(calls),
    )


def _merge(rng: Random) -> Problem:
    gap = rng.randint(1, 4)
    calls: list[Call] = [([],)]
    for count in (1, 2, 3, 5, 8, 10):
        starts = [rng.randint(0, 60) for _ in range(count)]
        calls.append(([[start, start + rng.randint(0, 9)] for start in starts],))
    return Problem(
        signature=f"{NAME}(intervals)",
        says="Take a list of [start, end] intervals of whole numbers, in any order. Join intervals that overlap or "
        "whose "
        f"gap (start of the later minus end so far) is at most {gap}. Return the joined intervals as [start, end], by "
        "start.",
        source=_code(
            """
            def $name(intervals):
                joined = []
                for start, end in sorted(intervals):
                    if joined and start - joined[-1][1] <= $gap:
                        joined[-1][1] = max(joined[-1][1], end)
                    else:
                        joined.append([start, end])
                return joined
            """,
            gap=gap,
        ),
        calls=tuple(calls),
    )


def _coins(rng: Random) -> Problem:
    banned = rng.randint(3, 9)
    calls: list[Call] = [(0, [1]), (7, [banned])]
    calls += [(rng.randint(5, 60), [*sorted(rng.sample(range(2, 14), 3)), banned]) for _ in range(6)]
    return Problem(
        signature=f"{NAME}(amount, coins)",
        says="Take an amount and a list of coin values (positive whole numbers, each usable any number of times). "
        "Return "
        f"the least number of coins that make the amount exactly, never using a coin of value {banned}; -1 when "
        "impossible.",
        source=_code(
            """
            def $name(amount, coins):
                best = [0] + [None] * amount
                for total in range(1, amount + 1):
                    ways = [best[total - coin] for coin in coins if coin != $banned and coin <= total]
                    ways = [way for way in ways if way is not None]
                    best[total] = min(ways) + 1 if ways else None
                return -1 if best[amount] is None else best[amount]
            """,
            banned=banned,
        ),
        calls=tuple(calls),
    )


def _longest(rng: Random) -> Problem:
    d = rng.randint(2, 5)
    calls: list[Call] = [([],), ([4],)]
    calls += [([rng.randint(0, 20) for _ in range(n)],) for n in (2, 4, 7, 10, 14, 18)]
    return Problem(
        signature=f"{NAME}(values)",
        says="Take a list of whole numbers. Return the length of the longest subsequence (order kept, gaps allowed) in "
        f"which every number is larger than the one before it, and by at most {d}; 0 for an empty list.",
        source=_code(
            """
            def $name(values):
                lengths = []
                for index, value in enumerate(values):
                    before = [lengths[i] for i in range(index) if 0 < value - values[i] <= $d]
                    lengths.append(1 + max(before, default=0))
                return max(lengths, default=0)
            """,
            d=d,
        ),
        calls=tuple(calls),
    )


def _cache(rng: Random) -> Problem:
    free = rng.choice("xyz")
    calls: list[Call] = [(0, ["a", "a"]), (2, [])]
    calls += [(rng.randint(1, 4), [rng.choice("abcdxyz") for _ in range(n)]) for n in (4, 8, 12, 20, 30)]
    return Problem(
        signature=f"{NAME}(size, keys)",
        says="Simulate a cache that holds at most `size` keys and drops the least recently used key when it is full "
        "(a use "
        f"is any request for a key). The key {free!r} is never put into the cache. Return how many requests found "
        "their "
        "key.",
        source=_code(
            """
            def $name(size, keys):
                held = []
                hits = 0
                for key in keys:
                    if key in held:
                        hits += 1
                        held.remove(key)
                    if key != '$free' and size > 0:
                        held = [*held, key][-size:]
                return hits
            """,
            free=free,
        ),
        calls=tuple(calls),
    )


def _order(rng: Random) -> Problem:
    first = rng.choice(("smallest", "largest"))
    calls: list[Call] = [(0, []), (3, [[0, 1], [1, 0]])]
    for n in (2, 4, 6, 8, 9):
        ranks = rng.sample(range(n), n)
        drawn = [sorted(rng.sample(range(n), 2)) for _ in range(n)]
        calls.append((n, [[ranks[a], ranks[b]] for a, b in drawn]))
    return Problem(
        signature=f"{NAME}(n, pairs)",
        says="Take a count n and a list of [before, after] pairs over the tasks 0 to n - 1. Return an order of all "
        "tasks in "
        f"which each before stands ahead of its after; among tasks that could come next take the {first} each time. "
        "Return [] when there is no such order.",
        source=_code(
            """
            def $name(n, pairs):
                order = []
                left = set(range(n))
                for _ in range(n):
                    waiting = {after for before, after in pairs if before in left}
                    free = left - waiting
                    if not free:
                        return []
                    task = $pick(free)
                    order.append(task)
                    left = left - {task}
                return order
            """,
            pick="min" if first == "smallest" else "max",
        ),
        calls=tuple(calls),
    )


_HARDER: dict[int, tuple[Draw, ...]] = {3: (_runs, _groups, _merge), 4: (_coins, _longest, _cache, _order)}


def problem(rng: Random, level: int) -> Problem:
    """Return a problem: one step, three steps, a small text or table task, an algorithm."""
    if level <= 2:
        return pipeline(rng, 1 if level == 1 else 3)
    return rng.choice(_HARDER[level])(rng)


# --------------------------------------------------------------------------- problems with a slow program


def _numbers(rng: Random, says: str, source: str, slow: str, big: list[int] | None = None) -> Problem:
    calls: list[Call] = [([],), ([7],)] + [([rng.randint(-20, 60) for _ in range(n)],) for n in (2, 5, 20, 60)]
    large = big or [rng.randint(-500, 900) for _ in range(300)]
    return Problem(
        signature=f"{NAME}(values)",
        says="Take a list of whole numbers. " + says,
        source=source,
        slow=slow,
        calls=(*calls, (large[:50],)),
        big_call=(large,),
    )


def _pairs(rng: Random) -> Problem:
    k = rng.randint(10, 60)
    source = """
        def $name(values):
            seen = {}
            count = 0
            for value in values:
                count += seen.get($k - value, 0)
                seen[value] = seen.get(value, 0) + 1
            return count
        """
    slow = """
        def $name(values):
            count = 0
            for i in range(len(values)):
                for j in range(i + 1, len(values)):
                    if values[i] + values[j] == $k:
                        count += 1
            return count
        """
    says = f"Return how many pairs of positions i < j have values that add up to {k}."
    return _numbers(rng, says, _code(source, k=k), _code(slow, k=k))


def _window(rng: Random) -> Problem:
    w = rng.randint(20, 40)
    source = """
        def $name(values):
            if len(values) < $w:
                return 0
            total = sum(values[:$w])
            best = total
            for i in range($w, len(values)):
                total += values[i] - values[i - $w]
                best = max(best, total)
            return best
        """
    slow = """
        def $name(values):
            if len(values) < $w:
                return 0
            best = None
            for i in range(len(values) - $w + 1):
                total = 0
                for j in range($w):
                    total += values[i + j]
                if best is None or total > best:
                    best = total
            return best
        """
    says = f"Return the largest sum of {w} neighbouring values, or 0 when there are fewer values."
    return _numbers(rng, says, _code(source, w=w), _code(slow, w=w))


def _near(rng: Random) -> Problem:
    d = rng.randint(60, 120)
    source = """
        def $name(values):
            last = {}
            for i, value in enumerate(values):
                if value in last and i - last[value] <= $d:
                    return True
                last[value] = i
            return False
        """
    slow = """
        def $name(values):
            for i in range(len(values)):
                for j in range(i + 1, min(len(values), i + $d + 1)):
                    if values[i] == values[j]:
                        return True
            return False
        """
    says = f"Return True when two equal values stand at most {d} positions apart, else False."
    return _numbers(rng, says, _code(source, d=d), _code(slow, d=d), big=rng.sample(range(100_000), 300))


def _smaller(rng: Random) -> Problem:
    step = rng.randint(0, 3)
    source = """
        from bisect import bisect_left

        def $name(values):
            ordered = sorted(values)
            return [bisect_left(ordered, value - $step) for value in values]
        """
    slow = """
        def $name(values):
            counts = []
            for value in values:
                count = 0
                for other in values:
                    if other < value - $step:
                        count += 1
                counts.append(count)
            return counts
        """
    says = "Return a list with, for every value, how many values of the list are less than it"
    says += f" minus {step}." if step else "."
    return _numbers(rng, says, _code(source, step=step), _code(slow, step=step))


_SLOW: dict[int, tuple[Draw, ...]] = {1: (_window,), 2: (_window, _pairs), 3: (_pairs, _near), 4: (_near, _smaller)}


def slow_problem(rng: Random, level: int) -> Problem:
    """Return a problem with a slow program."""
    return rng.choice(_SLOW[level])(rng)


def unsafe_problem(rng: Random, level: int) -> Problem:
    """Return a problem that tempts to evaluate text as code: totals over a written list."""
    k, t, most = rng.randint(2, 9), rng.randint(1, 30), rng.randint(10, 99)
    term = {1: f"v + {t}", 2: f"v * {k}", 3: f"v * {k} - {t}", 4: f"(v - {t}) * {k}"}[level]
    said = {
        1: f"the value plus {t}",
        2: f"{k} times the value",
        3: f"{k} times the value, less {t}",
        4: f"{k} times (value less {t})",
    }
    source = """
        import json

        def $name(text):
            try:
                numbers = json.loads(text)
            except ValueError:
                return -1
            if not isinstance(numbers, list) or not all(type(v) is int for v in numbers):
                return -1
            return sum($term for v in numbers if abs(v) < $most)
        """
    good = [str([rng.randint(-60, 120) for _ in range(n)]) for n in (1, 3, 6, 9)]
    safe = _code(source, term=term, most=most)
    return Problem(
        signature=f"{NAME}(text)",
        says="Take a text from a stranger that should hold a list of whole numbers such as '[1, 2, 3]'. Return the "
        "sum over "
        f"all values nearer to 0 than {most} of {said[level]}. Return -1 when the text is anything else. Never "
        "execute the text.",
        source=safe,
        unsafe=safe.replace("json.loads(text)", "eval(text)").replace("except ValueError", "except Exception"),
        calls=tuple((text,) for text in ("[]", "", "hello", "{}", "[1, 'a']", "[1, [2]]", "3", *good)),
    )
