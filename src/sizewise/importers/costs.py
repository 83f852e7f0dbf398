"""What candidates cost: from a table of models, from NAME=VALUE, or from their order in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from sizewise.errors import DataError

CALL_COLUMNS = ("mean_usd_per_call", "usd_per_call", "cost_usd", "cost", "cost_per_call", "price")
TOKEN_COLUMNS = ("approx_usd_per_mtok_out", "usd_per_mtok_out", "output_usd_per_mtok")
TOKEN_IN_COLUMNS = ("approx_usd_per_mtok_in", "usd_per_mtok_in", "input_usd_per_mtok")
SIZE_COLUMNS = ("params_b", "parameters_b", "size_b", "b_params")
MODEL_COLUMNS = ("model", "candidate", "name", "model_name")


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTable:
    """Cost of one call by candidate, in one unit for all; sizes in parameters."""

    costs: Mapping[str, float]
    unit: str
    origin: str
    sizes: Mapping[str, float] = field(default_factory=dict)
    families: Mapping[str, str] = field(default_factory=dict)

    def of(self, names: Sequence[str]) -> tuple[dict[str, float], list[str]]:
        """Return the costs of the named candidates, and the names without one."""
        return {n: self.costs[n] for n in names if n in self.costs}, [n for n in names if n not in self.costs]


def listed_costs(names: Sequence[str]) -> CostTable:
    """Return the order in the file as cost: 1, 2, 3 ...

    >>> listed_costs(["small", "large"]).costs
    {'small': 1.0, 'large': 2.0}
    """
    return CostTable(
        costs={name: float(i) for i, name in enumerate(names, start=1)},
        unit="place in the file, taken as cheapest first",
        origin="the order of the columns",
    )


def given_costs(pairs: Iterable[str]) -> CostTable:
    """Return costs written as NAME=VALUE.

    >>> given_costs(["small=0.1", "large=2"]).costs
    {'small': 0.1, 'large': 2.0}
    """
    costs = {}
    for pair in pairs:
        name, sign, value = pair.rpartition("=")
        number = _number(value)
        if not sign or number is None:
            raise DataError(f"cannot read the cost {pair!r}; expected NAME=VALUE, for example small=0.0004")
        costs[name] = number
    return CostTable(costs=costs, unit="cost as given per call", origin="--cost")


def table_costs(
    columns: Mapping[str, Sequence[str | float | None]], names: Sequence[str], origin: str, dataset: str = ""
) -> CostTable:
    """Return costs from a table with a model column; the cost column that knows most of the names wins.

    Columns looked for, in this order: cost of a call, price of a million output tokens plus input tokens, parameters.
    Rows of another data set (column `dataset`, matched against the start of `dataset`) are left out.
    """
    model = next((c for c in MODEL_COLUMNS if c in columns), None)
    if model is None:
        raise DataError(
            f"{origin} has no model column; expected one of {', '.join(MODEL_COLUMNS)}, it has {', '.join(columns)}"
        )
    rows = _rows_of(columns, dataset)
    place = {str(columns[model][r]): r for r in rows}
    sizes = _column(columns, place, SIZE_COLUMNS, 1e9)
    families = _families(columns, place)
    tokens_in, tokens_out = _column(columns, place, TOKEN_IN_COLUMNS), _column(columns, place, TOKEN_COLUMNS)
    both = {n: tokens_in[n] + tokens_out[n] for n in tokens_in if n in tokens_out}
    offers = (
        (_column(columns, place, CALL_COLUMNS), "USD per call"),
        (both, "USD per million tokens, in plus out"),
        (sizes, "parameters"),
    )
    costs, unit = max(offers, key=lambda offer: sum(name in offer[0] for name in names))
    if not any(name in costs for name in names):
        raise DataError(
            f"{origin} knows the cost of none of {', '.join(list(names)[:5])}; expected rows with these names and "
            f"a column {CALL_COLUMNS[0]}, {TOKEN_COLUMNS[0]} or {SIZE_COLUMNS[0]}"
        )
    return CostTable(costs=costs, unit=unit, origin=origin, sizes=sizes, families=families)


def _rows_of(columns: Mapping[str, Sequence[str | float | None]], dataset: str) -> list[int]:
    count = len(next(iter(columns.values())))
    named = columns.get("dataset")
    if named is None:
        return list(range(count))
    sets = sorted({str(value) for value in named}, key=len, reverse=True)
    match = next((s for s in sets if dataset.startswith(s)), None)
    return [r for r in range(count) if match is None or str(named[r]) == match]


def _column(
    columns: Mapping[str, Sequence[str | float | None]],
    place: Mapping[str, int],
    names: Sequence[str],
    scale: float = 1.0,
) -> dict[str, float]:
    column = next((columns[n] for n in names if n in columns), None)
    if column is None:
        return {}
    found = {name: _number(column[r]) for name, r in place.items()}
    return {name: scale * value for name, value in found.items() if value is not None}


def _families(columns: Mapping[str, Sequence[str | float | None]], place: Mapping[str, int]) -> dict[str, str]:
    column = columns.get("family")
    return {} if column is None else {name: str(column[r]) for name, r in place.items() if column[r] is not None}


def _number(value: str | float | None) -> float | None:
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and isfinite(number) and number >= 0 else None
