"""Hostile text made harmless to look at: what cannot be seen is shown by name."""

from __future__ import annotations

import unicodedata

_CONTROL_PICTURES = 0x2400
_KEPT = frozenset("\n\t")
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
MAX_SHOWN = 4000


def visible(text: str, most: int = MAX_SHOWN) -> str:
    """Return text with escapes, direction marks and other invisible characters spelled out, at most `most` long.

    >>> visible("a\\x1b[31m\\u202eb")
    'a␛[31m⟨U+202E⟩b'
    """
    shown = "".join(map(_seen, text[:most]))
    return shown if len(text) <= most else f"{shown} … ({len(text) - most} more characters)"


def _seen(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN_CATEGORIES:
        return character
    code = ord(character)
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    return f"⟨U+{code:04X}⟩"
