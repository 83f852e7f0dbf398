"""How many items settle a question, before any is read.

Non-inferiority of paired scores with a true gap g, disagreement p (the chance that the two differ on an item, for 0/1
scores; in general the mean square of the difference) and margin d has power 1 - b at level a with
n = (z_a + z_b)^2 (p - g^2) / (d - g)^2. Source: Lachin (1992) for paired shares, normal approximation.
"""

from __future__ import annotations

from math import ceil, inf, sqrt

from sizewise.errors import ConfigError


def _z(p: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(p))


def items_needed(
    margin: float, disagreement: float = 0.2, gap: float = 0.0, alpha: float = 0.05, power: float = 0.8, rivals: int = 1
) -> float:
    """Return the items that show a gap below the margin (inf where the gap is not); alpha is shared by the rivals.

    >>> [items_needed(m) for m in (0.03, 0.05, 0.10)]
    [1374.0, 495.0, 124.0]
    """
    _check(margin, disagreement, alpha, power)
    if gap >= margin:
        return inf
    variance = max(disagreement - gap * gap, 0.0)
    reach = _z(1 - alpha / rivals) + _z(power)
    return float(ceil(reach * reach * variance / (margin - gap) ** 2 - 1e-9)) if reach > 0 else 0.0


def margin_shown(
    items: float, disagreement: float = 0.2, gap: float = 0.0, alpha: float = 0.05, power: float = 0.8, rivals: int = 1
) -> float:
    """Return the smallest margin that so many items show with that power.

    >>> round(margin_shown(495), 3)
    0.05
    """
    _check(0.5, disagreement, alpha, power)
    if items <= 0:
        raise ConfigError(f"items is {items}; expected at least 1")
    return gap + (_z(1 - alpha / rivals) + _z(power)) * sqrt(max(disagreement - gap * gap, 0.0) / items)


def power_of(
    items: float, margin: float, disagreement: float = 0.2, gap: float = 0.0, alpha: float = 0.05, rivals: int = 1
) -> float:
    """Return the chance that so many items show the gap to be below the margin.

    >>> round(power_of(1374, 0.03), 2)
    0.8
    """
    from scipy.special import ndtr

    _check(margin, disagreement, alpha, 0.8)
    variance = max(disagreement - gap * gap, 1e-12)
    return float(ndtr((margin - gap) * sqrt(items / variance) - _z(1 - alpha / rivals)))


def _check(margin: float, disagreement: float, alpha: float, power: float) -> None:
    for name, value in (("margin", margin), ("disagreement", disagreement), ("alpha", alpha), ("power", power)):
        if not 0 < value < 1:
            raise ConfigError(f"{name} is {value}; expected a share between 0 and 1, for example 0.05")
