"""How many items settle a question, before any is read: with a size fixed beforehand, or while watching.

Non-inferiority of paired scores with a true gap g, disagreement p (the chance that the two differ on an item, for 0/1
scores; in general the mean square of the difference) and margin d has power 1 - b at level a with
n = (z_a + z_b)^2 (p - g^2) / (d - g)^2. Source: Lachin (1992) for paired shares, normal approximation. With
hardly any disagreement the formula is too hopeful: that nobody lost on n items shows a loss below 1 - a^(1/n) only.

A race looks all the time and its certificate for future items is the anytime-valid one of `stats.betting`, which needs
more items: a bettor's log money grows by its mean per item and must reach log(1 / a).
"""

from __future__ import annotations

from math import ceil, inf, log, sqrt

from sizewise.errors import ConfigError

STAKES_SHARE = 2.0
"""The wealth is the average over two to five stakes, of which the neighbours of the best one hold something too."""


def _z(p: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(p))


def items_needed(
    margin: float, disagreement: float = 0.2, gap: float = 0.0, alpha: float = 0.05, power: float = 0.8, rivals: int = 1
) -> float:
    """Return the items, fixed beforehand, that show a gap below the margin (inf where the gap is not).

    Alpha is shared by the rivals. At least as many as show the margin when none is lost (Clopper-Pearson).

    >>> [items_needed(m) for m in (0.03, 0.05, 0.10)]
    [1374.0, 495.0, 124.0]
    >>> items_needed(0.10, disagreement=0.001)
    29.0
    """
    _check(margin, disagreement, alpha, power)
    if gap >= margin:
        return inf
    variance = max(disagreement - gap * gap, 0.0)
    reach = _z(1 - alpha / rivals) + _z(power)
    fewest = ceil(log(alpha / rivals) / log(1 - margin))
    return float(max(fewest, ceil(reach * reach * variance / (margin - gap) ** 2 - 1e-9))) if reach > 0 else 0.0


def items_needed_watching(
    margin: float, disagreement: float = 0.2, gap: float = 0.0, alpha: float = 0.05, power: float = 0.8, rivals: int = 1
) -> float:
    """Return the items after which a race that looks all the time has shown a gap below the margin (inf for never).

    For the best stake f the log money after n items is about normal with mean n m and variance n v, where m and v are
    those of log(1 + f (d - D) / (1 - d)) for a difference D of 1, -1 or 0. Stakes share the money, so a factor of
    STAKES_SHARE more is needed. In simulations the chance is 0.78 to 0.88 where 0.8 was asked, more where hardly any
    item disagrees.

    >>> [items_needed_watching(m) for m in (0.03, 0.05, 0.10)]
    [2825.0, 1025.0, 264.0]
    >>> items_needed_watching(0.10, disagreement=0.0001)
    45.0
    """
    import numpy as np

    _check(margin, disagreement, alpha, power)
    if gap >= margin:
        return inf
    both = min(max(disagreement, abs(gap)), 1.0)
    chance = np.array([(both + gap) / 2, (both - gap) / 2, 1 - both])
    stakes = np.geomspace(0.005, 0.8, 200)
    gain = np.log1p(stakes[:, None] * (margin - np.array([1.0, -1.0, 0.0])) / (1 - margin))
    mean = gain @ chance
    spread = np.sqrt(np.maximum(gain**2 @ chance - mean**2, 0.0))
    need = log(STAKES_SHARE * rivals / alpha)
    rising = mean > 0
    reach = _z(power) * spread[rising]
    root = (reach + np.sqrt(reach**2 + 4 * mean[rising] * need)) / (2 * mean[rising])
    return float(ceil(float((root**2).min()) - 1e-9)) if rising.any() else inf


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
