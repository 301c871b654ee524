r"""Probabilities in words, and the Admiralty code's grades.

A word table divides [0, 1] into bands. Each band includes its lower bound, so that with the cuts
0 = c₀ < c₁ < … < c₆ the word of p is the last whose cut is not above p:

    say(p) = word_i,    i = max{j : c_j ≤ p}

- `icd203`: Intelligence Community Directive 203 (2 January 2015), Analytic Standards. Its bands
  touch; below 1 % and above 99 % the outermost words are kept.
- `phia`: the yardstick of the United Kingdom's Professional Head of Intelligence Assessment.
  Its bands leave gaps on purpose; a value in a gap takes the nearer band and, half-way, the
  higher one, so that c_i is the middle of the gap.

The word belongs to the probability itself, not to its printed percentage: 0.549 prints as
"55 %" and is still a roughly even chance. Words of likelihood say nothing about confidence.

>>> say(0.3), say(0.3, "phia"), say_interval(0.3, 0.5)
('unlikely', 'unlikely', 'unlikely to roughly even chance')
>>> percent(0.004), ICD203_BANDS["very likely"], grade_meaning("B2")
('<1\xa0%', (0.8, 0.95), 'usually reliable source; probably true')
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from escalation.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Mapping

Table = Literal["icd203", "phia"]

# The ends of the scale, beyond which no percentage is printed.
LOWEST, HIGHEST = 0.01, 0.99

# Word, then the band in per cent, lowest first.
_BANDS: dict[str, tuple[tuple[str, int, int], ...]] = {
    "icd203": (
        ("almost no chance", 1, 5),
        ("very unlikely", 5, 20),
        ("unlikely", 20, 45),
        ("roughly even chance", 45, 55),
        ("likely", 55, 80),
        ("very likely", 80, 95),
        ("almost certain", 95, 99),
    ),
    "phia": (
        ("remote chance", 0, 5),
        ("highly unlikely", 10, 20),
        ("unlikely", 25, 35),
        ("realistic possibility", 40, 50),
        ("likely", 55, 75),
        ("highly likely", 80, 90),
        ("almost certain", 95, 100),
    ),
}

# The directive's second row of terms, and the adverbs that it gives in brackets.
_SYNONYMS = {
    "remote": "almost no chance",
    "highly improbable": "very unlikely",
    "improbable": "unlikely",
    "improbably": "unlikely",
    "roughly even odds": "roughly even chance",
    "probable": "likely",
    "probably": "likely",
    "highly probable": "very likely",
    "almost certainly": "almost certain",
    "nearly certain": "almost certain",
}


def _icd203_bands() -> dict[str, tuple[float, float]]:
    """Band of each word of the directive, synonyms last."""
    bands = {word: (low / 100, high / 100) for word, low, high in _BANDS["icd203"]}
    return bands | {synonym: bands[word] for synonym, word in _SYNONYMS.items()}


def _cuts(table: str) -> tuple[float, ...]:
    """Lower cut of each band but the first: its lower bound, or the middle of the gap below."""
    bands = _BANDS[table]
    return tuple((below[2] + above[1]) / 200 for below, above in pairwise(bands))


ICD203_BANDS: Mapping[str, tuple[float, float]] = MappingProxyType(_icd203_bands())
"""Word of ICD 203, or one of its synonyms → the ends of its band, as probabilities."""

WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {table: tuple(word for word, _, _ in bands) for table, bands in _BANDS.items()}
)
"""Table → its words, least likely first."""

CUTS: Mapping[str, tuple[float, ...]] = MappingProxyType({t: _cuts(t) for t in _BANDS})
"""Table → the six probabilities at which the next word begins."""


def say(probability: float, table: Table = "icd203") -> str:
    """Word for a probability.

    Raises
    ------
    InvalidValueError
        If it is not between 0 and 1, or the table is not known.
    """
    if table not in WORDS:
        message = f"no table of words '{table}'; known are {', '.join(WORDS)}"
        raise InvalidValueError(message)
    return WORDS[table][bisect_right(CUTS[table], _checked(probability))]


def say_interval(low: float, high: float, table: Table = "icd203") -> str:
    """Words for an interval: a range of words, or one word where both ends have the same.

    Raises
    ------
    InvalidValueError
        If the ends are out of order or not between 0 and 1.
    """
    if low > high:
        message = f"the low end {low:g} is above the high end {high:g}"
        raise InvalidValueError(message)
    first, last = say(low, table), say(high, table)
    return first if first == last else f"{first} to {last}"


def percent(probability: float) -> str:
    """Whole per cent, halves up; `<1 %` below 0.01 and `>99 %` above 0.99.

    The space before the sign does not break.
    """
    if _checked(probability) < LOWEST:
        return "<1\N{NO-BREAK SPACE}%"
    if probability > HIGHEST:
        return ">99\N{NO-BREAK SPACE}%"
    return f"{int(100 * probability + 0.5)}\N{NO-BREAK SPACE}%"


def percent_range(low: float, high: float) -> str:
    """`12–61 %`, or one number where both ends are printed alike; `≥98 %` up to certainty."""
    first, last = percent(low), percent(high)
    if first == last:
        return first
    if last.startswith(">"):
        return f"≥{first}"
    return f"{first.removesuffix('%').rstrip()}\N{EN DASH}{last}"


def _checked(probability: float) -> float:
    """Return the probability, if it is one."""
    if not 0 <= probability <= 1:
        message = f"a probability lies between 0 and 1 (got {probability:g})"
        raise InvalidValueError(message)
    return probability


SOURCE_MEANING: Mapping[str, str] = MappingProxyType(
    {
        "A": "completely reliable source",
        "B": "usually reliable source",
        "C": "fairly reliable source",
        "D": "not usually reliable source",
        "E": "unreliable source",
        "F": "source's reliability cannot be judged",
    }
)

INFORMATION_MEANING: Mapping[str, str] = MappingProxyType(
    {
        "1": "confirmed by other sources",
        "2": "probably true",
        "3": "possibly true",
        "4": "doubtful",
        "5": "improbable",
        "6": "truth cannot be judged",
    }
)


class Grade(NamedTuple):
    """An Admiralty grade: source A–F, information 1–6."""

    source: str
    information: str

    def __str__(self) -> str:
        return self.source + self.information


def parse_grade(text: str) -> Grade:
    """Read a grade such as `B2`; blank is `F6`, nothing can be judged.

    Raises
    ------
    InvalidValueError
        If it is not a letter A–F and a digit 1–6.
    """
    grade = text.strip().upper() or "F6"
    source, information = grade[:1], grade[1:]
    if source not in SOURCE_MEANING or information not in INFORMATION_MEANING:
        message = f"'{text}' is no Admiralty grade; write a letter A-F and a digit 1-6, as in B2"
        raise InvalidValueError(message)
    return Grade(source, information)


def grade_meaning(text: str) -> str:
    """What a grade says of its source and of its information."""
    grade = parse_grade(text)
    return f"{SOURCE_MEANING[grade.source]}; {INFORMATION_MEANING[grade.information]}"


def signed(jump: float) -> str:
    """`+0.31`, with a true minus."""
    text = f"{jump:+.2f}"
    return text.replace("-", "\N{MINUS SIGN}")
