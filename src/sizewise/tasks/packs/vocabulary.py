"""Words the packs build their texts from. Names of places, firms and substances are made up, so no model knows them."""

from __future__ import annotations

from random import Random

FIRST_NAMES = (
    "Anna", "Ben", "Carla", "David", "Elena", "Farid", "Grace", "Hiro", "Ines", "Jamal", "Katya", "Liam", "Mei", "Noah",
    "Olga", "Pedro", "Qing", "Rosa", "Samir", "Tara", "Uma", "Victor", "Wanda", "Yusuf", "Zoe", "Amara", "Bjorn",
    "Chidi", "Dalia", "Emil", "Fatima", "Goran", "Hana", "Ivan", "Jana", "Kofi", "Lucia", "Marek", "Nadia", "Omar",
)  # fmt: skip
PRODUCTS = (
    "lamp", "kettle", "chair", "desk", "router", "printer", "backpack", "bicycle", "camera", "blender", "heater",
    "tent", "keyboard", "monitor", "drill", "vacuum", "guitar", "watch", "speaker", "mattress",
)  # fmt: skip
REGIONS = ("north", "south", "east", "west", "centre", "coast", "hills", "valley")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
TOPICS = (
    "a harbour at dawn", "a village market", "an old library", "a mountain railway", "a school garden", "a night train",
    "a rainy street", "a small bakery", "a lighthouse", "a river ferry", "a winter forest", "a busy kitchen",
)  # fmt: skip
_ONSETS = (
    "b",
    "br",
    "d",
    "dr",
    "f",
    "g",
    "gr",
    "k",
    "kl",
    "l",
    "m",
    "n",
    "p",
    "pr",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "z",
)
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "io")
_CODAS = ("", "l", "n", "r", "s", "th", "x", "nd", "rk", "m")


def made_up(rng: Random, syllables: int = 2) -> str:
    """Return a pronounceable made-up name, first letter large.

    >>> made_up(Random("1")).isalpha()
    True
    """
    parts = [rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(syllables)]
    return ("".join(parts) + rng.choice(_CODAS)).capitalize()


def several(rng: Random, count: int, syllables: int = 2) -> list[str]:
    """Return `count` different made-up names, none inside another."""
    found: list[str] = []
    while len(found) < count:
        name = made_up(rng, syllables)
        if all(name.lower() not in other.lower() and other.lower() not in name.lower() for other in found):
            found.append(name)
    return found


def listed(items: list[str]) -> str:
    """Return "a, b and c".

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
