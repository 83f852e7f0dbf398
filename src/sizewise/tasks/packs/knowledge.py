"""Knowledge with unanswerable twins: a question that has an answer, and its twin that has none.

Facts: chemical elements and capitals, as any encyclopaedia has them, and the calendar, which can be computed without
end. A twin asks for an element that is not known, a country that does not exist, a day that never was.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from sizewise.records import Completion, Sample, Score
from sizewise.tasks import failures
from sizewise.tasks.packs.base import Draft, Kind, Pack, formed, one_line
from sizewise.tasks.packs.vocabulary import made_up
from sizewise.tasks.text import normalize, words

_ELEMENTS = (
    "hydrogen", "helium", "lithium", "beryllium", "boron", "carbon", "nitrogen", "oxygen", "fluorine", "neon",
    "sodium", "magnesium", "aluminium", "silicon", "phosphorus", "sulfur", "chlorine", "argon", "potassium",
    "calcium", "scandium", "titanium", "vanadium", "chromium", "manganese", "iron", "cobalt", "nickel", "copper",
    "zinc", "gallium", "germanium", "arsenic", "selenium", "bromine", "krypton", "rubidium", "strontium",
    "yttrium", "zirconium", "niobium", "molybdenum", "technetium", "ruthenium", "rhodium", "palladium", "silver",
    "cadmium", "indium", "tin", "antimony", "tellurium", "iodine", "xenon", "caesium", "barium", "lanthanum",
    "cerium", "praseodymium", "neodymium", "promethium", "samarium", "europium", "gadolinium", "terbium",
    "dysprosium", "holmium", "erbium", "thulium", "ytterbium", "lutetium", "hafnium", "tantalum", "tungsten",
    "rhenium", "osmium", "iridium", "platinum", "gold", "mercury", "thallium", "lead", "bismuth", "polonium",
    "astatine", "radon", "francium", "radium", "actinium", "thorium", "protactinium", "uranium", "neptunium",
    "plutonium",
)  # fmt: skip
"""Elements 1 to 94, in order."""
_SPELLINGS = {"aluminium": ["aluminum"], "sulfur": ["sulphur"], "caesium": ["cesium"]}
_CAPITALS = {
    1: {
        "France": "Paris", "Germany": "Berlin", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo",
        "Russia": "Moscow", "Egypt": "Cairo", "Greece": "Athens", "Portugal": "Lisbon", "Austria": "Vienna",
        "Ireland": "Dublin", "Poland": "Warsaw", "Sweden": "Stockholm", "Norway": "Oslo", "Cuba": "Havana",
        "Hungary": "Budapest", "Belgium": "Brussels", "Denmark": "Copenhagen", "Finland": "Helsinki",
        "Thailand": "Bangkok", "Peru": "Lima",
        "Argentina": "Buenos Aires", "South Korea": "Seoul", "Iran": "Tehran", "Iraq": "Baghdad", "Kenya": "Nairobi",
        "Canada": "Ottawa", "Mexico": "Mexico City", "China": "Beijing", "the United Kingdom": "London",
    },
    2: {
        "Romania": "Bucharest", "Bulgaria": "Sofia", "Croatia": "Zagreb", "Slovenia": "Ljubljana", "Estonia": "Tallinn",
        "Latvia": "Riga", "Lithuania": "Vilnius", "Albania": "Tirana", "Mongolia": "Ulaanbaatar", "Nepal": "Kathmandu",
        "Uruguay": "Montevideo", "Ecuador": "Quito", "Paraguay": "Asuncion", "Ghana": "Accra", "Senegal": "Dakar",
        "Uganda": "Kampala", "Zambia": "Lusaka", "Angola": "Luanda", "Jordan": "Amman", "Lebanon": "Beirut",
        "Oman": "Muscat", "Georgia": "Tbilisi", "Armenia": "Yerevan", "Azerbaijan": "Baku", "Uzbekistan": "Tashkent",
        "Australia": "Canberra", "Turkey": "Ankara", "Morocco": "Rabat", "Vietnam": "Hanoi", "Pakistan": "Islamabad",
    },
    3: {
        "Bhutan": "Thimphu", "Kyrgyzstan": "Bishkek", "Tajikistan": "Dushanbe", "Turkmenistan": "Ashgabat",
        "Moldova": "Chisinau", "Suriname": "Paramaribo", "Guyana": "Georgetown", "Belize": "Belmopan", "Togo": "Lome",
        "Burkina Faso": "Ouagadougou", "Niger": "Niamey", "Mali": "Bamako", "Chad": "N'Djamena", "Gabon": "Libreville",
        "Eritrea": "Asmara", "Malawi": "Lilongwe", "Lesotho": "Maseru", "Namibia": "Windhoek", "Botswana": "Gaborone",
        "Mauritania": "Nouakchott", "Guinea": "Conakry", "Sierra Leone": "Freetown", "Liberia": "Monrovia",
        "Fiji": "Suva", "Samoa": "Apia", "Tonga": "Nuku'alofa", "Vanuatu": "Port Vila", "Laos": "Vientiane",
        "Mozambique": "Maputo", "Madagascar": "Antananarivo",
    },
}  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December")  # fmt: skip
_RULE = " Reply with the answer alone, on one line. If it cannot be known, reply: I don't know."
_RULE_OTHER = " Give just the answer in one line, or say: I don't know."


def _twins(asked: str, other: str, twin_asked: str, twin_other: str, right: list[str], wrong: str) -> tuple[Draft, ...]:
    known = Draft(
        instruction=asked + _RULE,
        paraphrase=other + _RULE_OTHER,
        target=right,
        oracle=right[0],
        wrong=wrong,
        broken=f"Good question!\nThe answer: {right[0]}",
    )
    unknown = Draft(
        instruction=twin_asked + _RULE,
        paraphrase=twin_other + _RULE_OTHER,
        target=None,
        unanswerable=True,
        oracle="I don't know.",
        wrong=wrong,
        broken="Good question!\nI don't know.",
    )
    return known, unknown


def _capital(rng: Random, level: int) -> tuple[Draft, ...]:
    table = _CAPITALS[min(level, 3)]
    country, other = rng.sample(sorted(table), 2)
    fake = made_up(rng, 2) + rng.choice(("ia", "land", "stan"))
    asked, said = "What is the capital of {}?", "Which city is the capital of {}?"
    if level == 4:  # two steps
        asked, said = (
            "Which letter is the last one in the name of the capital of {}?",
            "Take the name of the capital of {}. What is its last letter?",
        )
        right, wrong = [table[country][-1].lower()], "q"
    else:
        right, wrong = [table[country]], table[other]
    return _twins(asked.format(country), said.format(country), asked.format(fake), said.format(fake), right, wrong)


def _element(rng: Random, level: int) -> tuple[Draft, ...]:
    number = rng.randint(1, {1: 30, 2: 54, 3: 94, 4: 92}[level])
    beyond = rng.randint(130, 480)
    name = _ELEMENTS[number - 1]
    right = [name, *_SPELLINGS.get(name, [])]
    wrong = _ELEMENTS[(number + 2) % 94]
    asked, said = "Which chemical element has the atomic number {}?", "Name the element with {} protons in its nucleus."
    if level == 4:
        asked = "Which chemical element comes two places after the one with the atomic number {} in the periodic table?"
        said = "Take the element with {} protons. Which element has two protons more?"
        name = _ELEMENTS[number + 1]
        right, wrong = [name, *_SPELLINGS.get(name, [])], _ELEMENTS[number % 94]
    return _twins(asked.format(number), said.format(number), asked.format(beyond), said.format(beyond), right, wrong)


def _weekday(rng: Random, level: int) -> tuple[Draft, ...]:
    """Return a date's weekday, from level 3 on also counted on from it; the twin's date does not exist."""
    span = {1: (2020, 2029), 2: (1990, 2039), 3: (1900, 2099), 4: (1700, 2299)}[level]
    first = date(span[0], 1, 1)
    day = first + timedelta(days=rng.randrange((date(span[1], 12, 31) - first).days))
    later = rng.randint(8, 40) if level >= 3 else 0
    right = _DAYS[(day + timedelta(days=later)).weekday()]
    lead = f"Which day of the week is {later} days after" if later else "Which day of the week is"
    impossible = rng.choice(("30 February", "31 April", "31 June", "31 September", "31 November"))
    year = rng.randint(*span)
    said = "{}: give the weekday" + (f" {later} days later." if later else ".")
    when = f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
    return _twins(
        f"{lead} {when}?",
        said.format(when),
        f"{lead} {impossible} {year}?",
        said.format(f"{impossible} {year}"),
        [right],
        _DAYS[(_DAYS.index(right) + 3) % 7],
    )


def _score(sample: Sample, answer: Completion) -> Score:
    """Return the score: a short line that says the answer; for a twin, a line that abstains."""
    form = one_line(answer) and len(words(answer.text)) <= 12
    if sample.unanswerable:
        right = failures.abstained(answer.text)
        return Score(
            value=float(right and form),
            valid=form,
            lenient=float(right),
            refused=failures.refused(answer.text) and not right,
            abstained=right,
            hallucinated=not right and not failures.refused(answer.text) and bool(answer.text.strip()),
        )
    padded = f" {normalize(answer.text)} "
    said = any(f" {normalize(item)} " in padded for item in sample.target)
    others = sum(f" {normalize(day)} " in padded for day in _DAYS)
    return formed(sample, answer, right=said and others <= 1, form=form)


PACK = Pack(
    name="knowledge",
    title="Facts, each with a twin that has no answer",
    levels=(
        "facts from training, and names that no text gave",
        "famous capitals, light elements, weekdays of this decade",
        "capitals of smaller countries, elements to 40, weekdays since 1990",
        "rare capitals, all elements, weekdays counted on",
        "two steps from the fact to the answer",
    ),
    skills=("recall", "recall_unknown", "unanswerable"),
    kinds=(
        Kind(name="capital", make=_capital, score=_score),
        Kind(name="element", make=_element, score=_score),
        Kind(name="weekday", make=_weekday, score=_score),
    ),
    max_output_tokens=(32, 32, 32, 32),
)
