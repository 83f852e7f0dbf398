"""What can be said of Python code without running it: maintainability, security, style. Pure but for ruff and bandit.

Maintainability comes from cyclomatic complexity (McCabe 1976), nesting and length; security from a list of calls that
should not be in code that handles strangers' data. ruff and bandit add an axis each, where they are installed.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from dataclasses import dataclass

_BRANCHES = (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.IfExp, ast.Assert, ast.AsyncFor, ast.comprehension)
_BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.AsyncFor, ast.AsyncWith)
_DANGEROUS = {
    "eval": "eval of text", "exec": "exec of text", "compile": "compile of text", "__import__": "import by name",
    "os.system": "shell command", "os.popen": "shell command", "pickle.loads": "unpickling",
    "pickle.load": "unpickling", "marshal.loads": "unmarshalling", "yaml.load": "yaml.load without a safe loader",
    "tempfile.mktemp": "mktemp race",
    "hashlib.md5": "weak hash", "hashlib.sha1": "weak hash", "random.seed": "predictable random numbers",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Size and shape of code."""

    complexity: int
    """Highest cyclomatic complexity of a function: 1 plus its branches."""
    nesting: int
    """Deepest nesting of blocks."""
    lines: int
    """Lines with code."""


def parse_code(code: str) -> ast.Module | None:
    """Return the syntax tree, None when the text is not Python (or nested beyond the parser)."""
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def functions(code: str) -> tuple[str, ...]:
    """Return the names of functions defined at the top.

    >>> functions("def f(x):\\n    return x")
    ('f',)
    """
    tree = parse_code(code)
    body = tree.body if tree else []
    return tuple(node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _complexity(node: ast.AST) -> int:
    total = 1
    for inner in ast.walk(node):
        if isinstance(inner, _BRANCHES):
            total += 1
        elif isinstance(inner, ast.BoolOp):
            total += len(inner.values) - 1
    return total


def _nesting(node: ast.AST, depth: int = 0) -> int:
    deepest = depth
    for child in ast.iter_child_nodes(node):
        deepest = max(deepest, _nesting(child, depth + isinstance(child, _BLOCKS)))
    return deepest


def shape(code: str) -> Shape | None:
    """Return the shape of code, None when it does not parse.

    >>> shape("def f(x):\\n    if x:\\n        return 1\\n    return 2")
    Shape(complexity=2, nesting=1, lines=4)
    """
    tree = parse_code(code)
    if tree is None:
        return None
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lines = sum(bool(line.strip()) and not line.strip().startswith("#") for line in code.splitlines())
    return Shape(
        complexity=max(map(_complexity, found), default=_complexity(tree)), nesting=_nesting(tree), lines=lines
    )


def maintainability(code: str) -> float:
    """Return 1 for simple code down to 0: complexity above 5, nesting above 2 and more than 25 lines cost.

    Each costs in proportion: complexity 15, nesting 6 or 75 lines alone bring it to 0. 0 for code that does not parse.

    >>> maintainability("def f(x):\\n    return x + 1")
    1.0
    """
    seen = shape(code)
    if seen is None:
        return 0.0
    cost = max(0, seen.complexity - 5) / 10 + max(0, seen.nesting - 2) / 4 + max(0, seen.lines - 25) / 50
    return max(0.0, 1.0 - cost)


def _called(node: ast.Call) -> str:
    parts: list[str] = []
    target: ast.expr = node.func
    while isinstance(target, ast.Attribute):
        parts.append(target.attr)
        target = target.value
    if isinstance(target, ast.Name):
        parts.append(target.id)
    return ".".join(reversed(parts))


def security_findings(code: str) -> list[str]:
    """Return what a reviewer would stop at, one line each; empty for code that does not parse.

    >>> security_findings("def f(text):\\n    return eval(text)")
    ['line 2: eval of text']
    """
    tree = parse_code(code)
    found = []
    for node in ast.walk(tree) if tree else ():
        if not isinstance(node, ast.Call):
            continue
        name = _called(node)
        if name in _DANGEROUS:
            found.append(f"line {node.lineno}: {_DANGEROUS[name]}")
        shell = [word for word in node.keywords if word.arg == "shell"]
        if shell and isinstance(shell[0].value, ast.Constant) and shell[0].value.value:
            found.append(f"line {node.lineno}: subprocess with shell=True")
        if name.endswith(".execute") and node.args and isinstance(node.args[0], ast.JoinedStr | ast.BinOp):
            found.append(f"line {node.lineno}: SQL put together from text")
    return found


def _tool(command: list[str], code: str) -> object | None:
    """Return the JSON a checker prints about code on its standard input, None when it is not there or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, input=code, capture_output=True, text=True, timeout=20, check=False)
        return json.loads(done.stdout)  # type: ignore[no-any-return]
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def ruff_share(code: str) -> float | None:
    """Return 1 less a tenth per finding of ruff (pyflakes, errors, bugbear, simplify), None without ruff."""
    command = ["ruff", "check", "--isolated", "--no-cache", "--select", "F,E9,B,SIM,C4", "--output-format", "json", "-"]
    found = _tool(command, code)
    return max(0.0, 1 - len(found) / 10) if isinstance(found, list) else None


def bandit_share(code: str) -> float | None:
    """Return 1 less half per finding of bandit, None without bandit."""
    found = _tool(["bandit", "--quiet", "--format", "json", "-"], code)
    return max(0.0, 1 - len(found.get("results", ())) / 2) if isinstance(found, dict) else None


def static_axes(code: str) -> dict[str, float]:
    """Return the axes that need no run: maintainability and security, and those of ruff and bandit where present."""
    axes = {
        "maintainability": maintainability(code),
        "security": max(0.0, 1 - len(security_findings(code)) / 2) if parse_code(code) else 0.0,
    }
    for name, value in (("ruff", ruff_share(code)), ("bandit", bandit_share(code))):
        if value is not None:
            axes[name] = value
    return axes
