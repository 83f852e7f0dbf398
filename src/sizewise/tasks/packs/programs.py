"""What a problem of the code pack is: a description, programs, calls that tell programs apart; and faulty versions.

Programs of ours are executed here, in this process, to know their results; answers of models never are.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NAME = "solve"
"""What every asked function is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One function to write."""

    signature: str
    says: str
    """What the function returns, in words, complete."""
    source: str
    """A right, simple and fast program."""
    calls: tuple[tuple[Any, ...], ...]
    clumsy: str = ""
    """The same behaviour, long-winded; for refactoring."""
    slow: str = ""
    """The same behaviour with much more work; for optimising."""
    unsafe: str = ""
    """The same behaviour with a security fault."""
    big_call: tuple[Any, ...] = ()
    """A call on which slow and fast differ clearly."""


def _copied(value: Any) -> Any:
    """Return nested lists copied, so that a program that changes its argument spoils nothing."""
    return [_copied(item) for item in value] if isinstance(value, list) else value


def results(source: str, calls: Sequence[Sequence[Any]]) -> list[Any]:
    """Return what a program of ours gives for calls; an error is its class name. Arguments are copied first."""
    names: dict[str, Any] = {}
    exec(compile(source, "ours.py", "exec"), names)  # noqa: S102 - our own text, never a model's
    found: list[Any] = []
    for call in calls:
        try:
            found.append(names[NAME](*[_copied(argument) for argument in call]))
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            found.append({"error": type(error).__name__})
    return found


# --------------------------------------------------------------------------- mutants

_SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.And: ast.Or, ast.Or: ast.And, ast.In: ast.NotIn,
}  # fmt: skip
_CALLS = {"min": "max", "max": "min", "sum": "len", "sorted": "list", "abs": "int"}


class _Mutator(ast.NodeTransformer):
    """Changes the n-th place that can be changed; counts places."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.seen = 0

    def _here(self) -> bool:
        self.seen += 1
        return self.seen - 1 == self.wanted

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for index, operation in enumerate(node.ops):
            if type(operation) in _SWAPS and self._here():
                node.ops[index] = _SWAPS[type(operation)]()  # type: ignore[call-overload]
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if type(node.op) in _SWAPS and self._here():
            node.op = _SWAPS[type(node.op)]()  # type: ignore[assignment]
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        if self._here():
            node.op = _SWAPS[type(node.op)]()  # type: ignore[assignment]
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if type(node.value) is int and self._here():
            return ast.copy_location(ast.Constant(node.value + 1), node)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load) and node.id in _CALLS and self._here():
            return ast.copy_location(ast.Name(_CALLS[node.id], ast.Load()), node)
        return node


def mutants(task: Problem) -> list[str]:
    """Return faulty versions of a problem's program, each told from it by at least one of the problem's calls.

    One change each: a comparison, an operator, a number or a function swapped (mutation testing, DeMillo et al. 1978).
    """
    right = results(task.source, task.calls)
    counter = _Mutator(-1)
    counter.visit(ast.parse(task.source))
    found = []
    for place in range(counter.seen):
        tree = _Mutator(place).visit(ast.parse(task.source))
        source = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        if results(source, task.calls) != right:
            found.append(source)
    return found
