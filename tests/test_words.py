"""Promises of `escalation.maths.words`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escalation.errors import InvalidValueError
from escalation.maths import words

if TYPE_CHECKING:
    from escalation.maths.words import Table

TABLES: tuple[Table, ...] = ("icd203", "phia")
PROBABILITIES = st.floats(0, 1)
SPACE = "\N{NO-BREAK SPACE}"

# The published tables, in per cent, written out a second time.
ICD203 = {
    "almost no chance": (1, 5),
    "very unlikely": (5, 20),
    "unlikely": (20, 45),
    "roughly even chance": (45, 55),
    "likely": (55, 80),
    "very likely": (80, 95),
    "almost certain": (95, 99),
}
PHIA = {
    "remote chance": (0, 5),
    "highly unlikely": (10, 20),
    "unlikely": (25, 35),
    "realistic possibility": (40, 50),
    "likely": (55, 75),
    "highly likely": (80, 90),
    "almost certain": (95, 100),
}
ORDER = {table: {word: i for i, word in enumerate(words.WORDS[table])} for table in TABLES}


@given(PROBABILITIES, st.sampled_from(TABLES))
def test_every_probability_has_a_word(probability: float, table: Table) -> None:
    """Every number from 0 to 1 has a word of the chosen table."""
    assert words.say(probability, table) in (ICD203 if table == "icd203" else PHIA)


@given(PROBABILITIES, PROBABILITIES, st.sampled_from(TABLES))
def test_words_never_fall_as_the_probability_rises(a: float, b: float, table: Table) -> None:
    """A larger probability never gets a weaker word."""
    low, high = sorted((a, b))
    assert ORDER[table][words.say(low, table)] <= ORDER[table][words.say(high, table)]


@pytest.mark.parametrize(("word", "band"), ICD203.items())
def test_icd203_band_includes_its_lower_bound(word: str, band: tuple[int, int]) -> None:
    """A band of ICD 203 holds its lower bound and everything up to its upper bound."""
    low, high = band[0] / 100, band[1] / 100
    assert words.say(low) == words.say((low + high) / 2) == words.say(high - 1e-9) == word


def test_outermost_icd203_words_reach_to_certainty() -> None:
    """Below 1 % is still almost no chance, and 99 % and above almost certain."""
    assert {words.say(p) for p in (0, 0.001, 0.0499)} == {"almost no chance"}
    assert {words.say(p) for p in (0.99, 0.999, 1)} == {"almost certain"}


@pytest.mark.parametrize(("word", "band"), PHIA.items())
def test_phia_band_includes_both_bounds(word: str, band: tuple[int, int]) -> None:
    """A value within a band of the PHIA yardstick, its ends included, has that band's word."""
    low, high = band[0] / 100, band[1] / 100
    assert words.say(low, "phia") == words.say((low + high) / 2, "phia") == word
    assert words.say(high, "phia") == word


@given(PROBABILITIES)
def test_gap_takes_the_nearer_band(probability: float) -> None:
    """No other band of the PHIA yardstick lies nearer than the one whose word is said."""

    def distance(word: str) -> float:
        low, high = PHIA[word]
        return max(low / 100 - probability, probability - high / 100, 0.0)

    said = distance(words.say(probability, "phia"))
    assert said <= min(distance(word) for word in PHIA) + 1e-15


@pytest.mark.parametrize(
    ("middle", "word"),
    [
        (0.075, "highly unlikely"),
        (0.225, "unlikely"),
        (0.375, "realistic possibility"),
        (0.525, "likely"),
        (0.775, "highly likely"),
        (0.925, "almost certain"),
    ],
)
def test_middle_of_a_gap_takes_the_higher_band(middle: float, word: str) -> None:
    """Half-way between two bands of the PHIA yardstick the higher word is said."""
    assert words.say(middle, "phia") == word


@given(PROBABILITIES, PROBABILITIES, st.sampled_from(TABLES))
def test_interval_says_both_ends_once(a: float, b: float, table: Table) -> None:
    """An interval says the word of each end, and one word where they agree."""
    low, high = sorted((a, b))
    first, last = words.say(low, table), words.say(high, table)
    expected = first if first == last else f"{first} to {last}"
    assert words.say_interval(low, high, table) == expected


def test_interval_examples() -> None:
    """Straddling intervals read as an analyst would say them."""
    assert words.say_interval(0.3, 0.5) == "unlikely to roughly even chance"
    assert words.say_interval(0.56, 0.79) == "likely"
    assert words.say_interval(0.02, 0.97, "phia") == "remote chance to almost certain"


def test_bands_for_priors_are_the_published_ones() -> None:
    """`ICD203_BANDS` holds each word of the directive with its published band."""
    for word, (low, high) in ICD203.items():
        assert words.ICD203_BANDS[word] == (low / 100, high / 100)
    assert list(words.ICD203_BANDS)[:7] == list(ICD203)


@pytest.mark.parametrize(
    ("synonym", "word"),
    [
        ("remote", "almost no chance"),
        ("highly improbable", "very unlikely"),
        ("improbable", "unlikely"),
        ("improbably", "unlikely"),
        ("roughly even odds", "roughly even chance"),
        ("probable", "likely"),
        ("probably", "likely"),
        ("highly probable", "very likely"),
        ("almost certainly", "almost certain"),
        ("nearly certain", "almost certain"),
    ],
)
def test_synonyms_of_the_directive_are_accepted(synonym: str, word: str) -> None:
    """The directive's second set of terms has the same bands as the first."""
    assert words.ICD203_BANDS[synonym] == words.ICD203_BANDS[word]


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, f"<1{SPACE}%"),
        (0.0099, f"<1{SPACE}%"),
        (0.01, f"1{SPACE}%"),
        (0.125, f"13{SPACE}%"),
        (0.29, f"29{SPACE}%"),
        (0.5, f"50{SPACE}%"),
        (0.99, f"99{SPACE}%"),
        (0.9901, f">99{SPACE}%"),
        (1.0, f">99{SPACE}%"),
    ],
)
def test_percent(probability: float, text: str) -> None:
    """Percentages are whole, never 0 % nor 100 %, and do not break before the sign."""
    assert words.percent(probability) == text


@given(PROBABILITIES)
def test_percent_is_near(probability: float) -> None:
    """What is printed is within half a per cent, or says on which side of the scale it lies."""
    text = words.percent(probability).removesuffix(f"{SPACE}%")
    if text == "<1":
        assert probability < 0.01
    elif text == ">99":
        assert probability > 0.99
    else:
        assert abs(int(text) / 100 - probability) <= 0.005 + 1e-12


@pytest.mark.parametrize("value", [-0.001, 1.001, float("nan"), float("inf")])
def test_what_is_no_probability_is_refused(value: float) -> None:
    """Numbers outside 0 to 1 have neither word nor percentage."""
    with pytest.raises(InvalidValueError, match="between 0 and 1"):
        words.say(value)
    with pytest.raises(InvalidValueError, match="between 0 and 1"):
        words.percent(value)


def test_misuse_is_refused() -> None:
    """An unknown table or an interval that is the wrong way round is an error."""
    with pytest.raises(InvalidValueError, match="known are icd203, phia"):
        words.say(0.5, cast("Table", "nato"))
    with pytest.raises(InvalidValueError, match=r"0\.6 is above the high end 0\.4"):
        words.say_interval(0.6, 0.4)


@pytest.mark.parametrize("text", ["B2", "b2", " B2 "])
def test_grade_is_read(text: str) -> None:
    """A grade is a letter and a digit; case and surrounding blanks do not matter."""
    grade = words.parse_grade(text)
    assert (grade.source, grade.information, str(grade)) == ("B", "2", "B2")


def test_blank_grade_is_unjudged() -> None:
    """No grade means that neither source nor information can be judged."""
    assert words.parse_grade("") == words.parse_grade("F6")


@pytest.mark.parametrize("text", ["B", "2", "2B", "G1", "A0", "A7", "B22", "B 2", "ß1"])
def test_bad_grade_is_refused(text: str) -> None:
    """Anything else is refused with what to write instead."""
    with pytest.raises(InvalidValueError, match="as in B2"):
        words.parse_grade(text)


def test_every_grade_has_a_meaning() -> None:
    """Each of the 36 grades says something about its source and about its information."""
    meanings = {words.grade_meaning(s + i) for s in "ABCDEF" for i in "123456"}
    assert len(meanings) == 36
    assert words.grade_meaning("A1") == "completely reliable source; confirmed by other sources"
    assert words.grade_meaning("F6") == (
        "source's reliability cannot be judged; truth cannot be judged"
    )
