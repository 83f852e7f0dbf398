"""Small, checked vocabularies and number words of English, German, French and Spanish, and telling these four apart."""

from __future__ import annotations

from sizewise.tasks.text import words

LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish"}

NOUNS: dict[str, dict[str, tuple[str, str]]] = {
    "dog": {"en": ("dog", "n"), "de": ("Hund", "m"), "fr": ("chien", "m"), "es": ("perro", "m")},
    "cat": {"en": ("cat", "n"), "de": ("Katze", "f"), "fr": ("chat", "m"), "es": ("gato", "m")},
    "house": {"en": ("house", "n"), "de": ("Haus", "n"), "fr": ("maison", "f"), "es": ("casa", "f")},
    "table": {"en": ("table", "n"), "de": ("Tisch", "m"), "fr": ("table", "f"), "es": ("mesa", "f")},
    "book": {"en": ("book", "n"), "de": ("Buch", "n"), "fr": ("livre", "m"), "es": ("libro", "m")},
    "car": {"en": ("car", "n"), "de": ("Auto", "n"), "fr": ("voiture", "f"), "es": ("coche", "m")},
    "flower": {"en": ("flower", "n"), "de": ("Blume", "f"), "fr": ("fleur", "f"), "es": ("flor", "f")},
    "door": {"en": ("door", "n"), "de": ("Tür", "f"), "fr": ("porte", "f"), "es": ("puerta", "f")},
    "garden": {"en": ("garden", "n"), "de": ("Garten", "m"), "fr": ("jardin", "m"), "es": ("jardín", "m")},
    "street": {"en": ("street", "n"), "de": ("Straße", "f"), "fr": ("rue", "f"), "es": ("calle", "f")},
    "window": {"en": ("window", "n"), "de": ("Fenster", "n"), "fr": ("fenêtre", "f"), "es": ("ventana", "f")},
    "bread": {"en": ("bread", "n"), "de": ("Brot", "n"), "fr": ("pain", "m"), "es": ("pan", "m")},
}
"""Meaning -> language -> (word, gender)."""

ADJECTIVES: dict[str, dict[str, tuple[str, str]]] = {
    "small": {
        "en": ("small", "small"),
        "de": ("klein", "klein"),
        "fr": ("petit", "petite"),
        "es": ("pequeño", "pequeña"),
    },
    "white": {"en": ("white", "white"), "de": ("weiß", "weiß"), "fr": ("blanc", "blanche"), "es": ("blanco", "blanca")},
    "black": {
        "en": ("black", "black"),
        "de": ("schwarz", "schwarz"),
        "fr": ("noir", "noire"),
        "es": ("negro", "negra"),
    },
    "green": {"en": ("green", "green"), "de": ("grün", "grün"), "fr": ("vert", "verte"), "es": ("verde", "verde")},
    "red": {"en": ("red", "red"), "de": ("rot", "rot"), "fr": ("rouge", "rouge"), "es": ("rojo", "roja")},
}
"""Meaning -> language -> (masculine or only form, feminine form), as said after "is"."""

_ARTICLES = {
    "en": {"n": "the"},
    "de": {"m": "der", "f": "die", "n": "das"},
    "fr": {"m": "le", "f": "la"},
    "es": {"m": "el", "f": "la"},
}
_IS = {"en": "is", "de": "ist", "fr": "est", "es": "es"}
_AND = {"en": "and", "de": "und", "fr": "et", "es": "y"}


def noun_phrase(noun: str, language: str) -> str:
    """Return the noun with its definite article.

    >>> noun_phrase("house", "de"), noun_phrase("house", "fr")
    ('das Haus', 'la maison')
    """
    word, gender = NOUNS[noun][language]
    return f"{_ARTICLES[language][gender]} {word}"


def clause(noun: str, adjective: str, language: str) -> str:
    """Return "the NOUN is ADJECTIVE" in a language.

    >>> clause("door", "white", "fr")
    'la porte est blanche'
    """
    masculine, feminine = ADJECTIVES[adjective][language]
    return f"{noun_phrase(noun, language)} {_IS[language]} {feminine if NOUNS[noun][language][1] == 'f' else masculine}"


def joined(clauses: list[str], language: str) -> str:
    """Return clauses as one sentence.

    >>> joined(["der Hund ist klein", "das Haus ist rot"], "de")
    'Der Hund ist klein und das Haus ist rot.'
    """
    text = f" {_AND[language]} ".join(clauses)
    return text[0].upper() + text[1:] + "."


# --------------------------------------------------------------------------- numbers in words

_EN_SMALL = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
             "seventeen eighteen nineteen")  # fmt: skip
_EN_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_DE_SMALL = ("null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
             "siebzehn achtzehn neunzehn")  # fmt: skip
_DE_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig"
_FR_SMALL = ("zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept "
             "dix-huit dix-neuf")  # fmt: skip
_FR_TENS = "vingt trente quarante cinquante soixante"
_ES_SMALL = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
    "dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis veintisiete "
    "veintiocho veintinueve"
)
_ES_TENS = "treinta cuarenta cincuenta sesenta setenta ochenta noventa"
_ES_HUNDREDS = "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"


def _english(n: int) -> str:
    if n < 20:
        return _EN_SMALL.split()[n]
    if n < 100:
        return _EN_TENS.split()[n // 10 - 2] + (f"-{_english(n % 10)}" if n % 10 else "")
    if n < 1000:
        return f"{_english(n // 100)} hundred" + (f" and {_english(n % 100)}" if n % 100 else "")
    rest = n % 1000
    return f"{_english(n // 1000)} thousand" + (f"{' and' if rest < 100 else ''} {_english(rest)}" if rest else "")


def _german(n: int, end: str = "s") -> str:
    if n < 20:
        return f"ein{end}" if n == 1 else _DE_SMALL.split()[n]
    if n < 100:
        tens = _DE_TENS.split()[n // 10 - 2]
        return f"{_german(n % 10, '')}und{tens}" if n % 10 else tens
    if n < 1000:
        return f"{_german(n // 100, '')}hundert" + (_german(n % 100) if n % 100 else "")
    return f"{_german(n // 1000, '')}tausend" + (_german(n % 1000) if n % 1000 else "")


def _french(n: int, last: bool = True) -> str:
    if n < 20:
        return _FR_SMALL.split()[n]
    if n < 70:
        tens, unit = _FR_TENS.split()[n // 10 - 2], n % 10
        return tens if not unit else f"{tens} et un" if unit == 1 else f"{tens}-{_french(unit)}"
    if n < 80:
        return "soixante et onze" if n == 71 else f"soixante-{_french(n - 60)}"
    if n < 100:
        return ("quatre-vingts" if last else "quatre-vingt") if n == 80 else f"quatre-vingt-{_french(n - 80)}"
    if n < 1000:
        hundreds, rest = divmod(n, 100)
        head = "cent" if hundreds == 1 else f"{_french(hundreds)} cent" + ("s" if not rest and last else "")
        return head + (f" {_french(rest, last)}" if rest else "")
    thousands, rest = divmod(n, 1000)
    head = "mille" if thousands == 1 else f"{_french(thousands, last=False)} mille"
    return head + (f" {_french(rest)}" if rest else "")


def _spanish(n: int, before: bool = False) -> str:
    """Return number words; `before` thousand "uno" loses its o and "veintiuno" gains an accent."""
    if n < 30:
        word = _ES_SMALL.split()[n]
        return {"uno": "un", "veintiuno": "veintiún"}.get(word, word) if before else word
    if n < 100:
        return _ES_TENS.split()[n // 10 - 3] + (f" y {_spanish(n % 10, before)}" if n % 10 else "")
    if n < 1000:
        if n == 100:
            return "cien"
        return _ES_HUNDREDS.split()[n // 100 - 1] + (f" {_spanish(n % 100, before)}" if n % 100 else "")
    thousands, rest = divmod(n, 1000)
    head = "mil" if thousands == 1 else f"{_spanish(thousands, before=True)} mil"
    return head + (f" {_spanish(rest)}" if rest else "")


def number_words(n: int, language: str) -> str:
    """Return a whole number from 0 to 999,999 in words.

    >>> number_words(21, "de"), number_words(91, "fr"), number_words(21000, "es"), number_words(342, "en")
    ('einundzwanzig', 'quatre-vingt-onze', 'veintiún mil', 'three hundred and forty-two')
    """
    return {"en": _english, "de": _german, "fr": _french, "es": _spanish}[language](n)


# --------------------------------------------------------------------------- which language

_COMMON = {
    "en": "the is of and in it to that was has with for are this its there many people",
    "de": "der die das ist und in es zu den hat mit für sind dieser dem ein eine nicht wird im von",
    "fr": "le la les est et dans il de que a avec pour sont ce des du un une en elle dont sur",
    "es": "el la los es y en de que ha con para son este las un una del se hay por su tiene",
}


def language_of(text: str) -> str | None:
    """Return which of the four languages a text is in, by its commonest words; None when that is not clear.

    >>> language_of("Der Hund ist klein und das Haus ist rot."), language_of("42")
    ('de', None)
    """
    found = [word.lower() for word in words(text)]
    counts = {name: sum(word in common.split() for word in found) for name, common in _COMMON.items()}
    best, second, *_ = sorted(counts.values(), reverse=True)
    if best == 0 or best == second:
        return None
    return max(counts, key=lambda name: counts[name])
