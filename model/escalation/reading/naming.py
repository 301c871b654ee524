"""Names that people read: of assumptions, states, categories, dates and numbers.

A dotted name says where a number stands in the files; people read what it is about:

    latent.intent.moves.coerce -> strike.rate          Intent: coerce → strike
    ladder.moves.sea -> strikes.intent.strike          Ladder: sea → strikes, if intent is strike
    indicators.carrier.seen.intent.remove              Carrier arrives, if intent is remove

Every text here may hold whatever an analyst wrote; whoever shows it escapes it.

>>> number(0.0624), number(1234.6), number(7.0)
('0.062', '1235', '7')
>>> day(date(2025, 11, 2))
'2 November 2025'
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from escalation.reading.case import Assumption, Factor, Scenario, State

ARROW = "\N{RIGHTWARDS ARROW}"
TIMES = "\N{MULTIPLICATION SIGN}"
MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
LONG_LABEL = 36  # characters; a longer label does not fit beside a picture

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WHOLE = 100  # from here on all digits before the point are given
_EFFECTS = {"climb": "climbs", "descend": "descents", "settle": "moves to an off-ramp"}


def day(when: date) -> str:
    """`2 November 2025`, in English whatever the locale."""
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def short_day(when: date) -> str:
    """`2 Nov`."""
    return f"{when.day} {short_month(when)}"


def short_month(when: date) -> str:
    """`Nov`, in English whatever the locale."""
    return _MONTHS[when.month - 1][:3]


def number(value: float) -> str:
    """Two significant digits, but all digits before the point."""
    if not np.isfinite(value):
        return "none"
    if abs(value) >= _WHOLE:
        text = f"{value:.0f}"
    else:
        text = np.format_float_positional(value, precision=2, fractional=False, trim="-")
    return text.replace("-", MINUS)


def words(name: str) -> str:
    """`force_posture` → `Force posture`."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def short_labels(factor: Factor) -> dict[str, str]:
    """Return the labels of a factor's states; if one is too long for a picture, ids as words."""
    if all(len(state.label) <= LONG_LABEL for state in factor.states):
        return {state.id: state.label for state in factor.states}
    return {state.id: words(state.id) for state in factor.states}


def state_of(scenario: Scenario, name: str) -> State:
    """Return the state of any factor by its id; ids are unique over all factors."""
    return next(state for factor in scenario.factors for state in factor.states if state.id == name)


def factor_of(scenario: Scenario, name: str) -> Factor:
    """Return a factor by its name."""
    return next(factor for factor in scenario.factors if factor.name == name)


def in_words(scenario: Scenario, name: str) -> str:
    """What an assumption is about, by its dotted name."""
    parts = name.split(".")
    match parts:
        case ["latent", factor, *rest]:
            return _part(words(factor), rest)
        case ["ladder", *rest]:
            return _part("Ladder", rest)
        case ["indicators", indicator, *rest] if indicator in scenario.indicators:
            return _indicator(scenario.indicators[indicator].label, rest)
        case ["observations", report, *_]:
            return f"Report {report}: takes place"
        case ["reference_classes", key, *_] if key in scenario.reference_classes:
            return f"Base rate: {scenario.reference_classes[key].label}"
        case _:
            return _other(parts)


def _part(whole: str, rest: Sequence[str]) -> str:
    match rest:
        case ["start", *state]:
            return f"{whole}: {' '.join(state)} at the start"
        case ["moves", move, *at]:
            return f"{whole}: {move.replace('->', ARROW)}{_condition(at)}"
        case _:
            return " ".join([whole, *rest])


def _condition(at: Sequence[str]) -> str:
    match [part for part in at if part not in {"rate", "probability", "value"}]:
        case ["rung", state, *_]:
            return f", on rung {state}"
        case [factor, state, *_]:
            return f", if {factor} is {state}"
        case _:
            return ""


def _indicator(label: str, rest: Sequence[str]) -> str:
    match rest:
        case ["seen", *at]:
            return f"{label}{_condition(at)}"
        case ["effect", "fades", *_]:
            return f"{label}: days until its effect halves"
        case ["effect", what, *_]:
            return f"{label}: effect on {_EFFECTS.get(what, what.replace('->', ARROW))}"
        case _:
            return ", ".join([label, *rest])


def _other(parts: Sequence[str]) -> str:
    match parts:
        case ["admiralty", "source", grade, *_]:
            return f"A report of a source graded {grade} is genuine"
        case ["admiralty", "information", grade, *_]:
            return f"A report of information graded {grade} is genuine"
        case ["admiralty", "unknown", *_]:
            return "A report that cannot be graded is genuine"
        case ["echo_correlation", *_]:
            return "Echo correlation"
        case _:
            return ", ".join(words(part) for part in parts)


def report_label(scenario: Scenario, name: str) -> str:
    """`Carrier arrives (16 Nov)`: a report by its id, as its type and an unbroken day."""
    found = next((each for each in scenario.observations if each.id == name), None)
    if found is None:
        return name
    when = found.reported_on if found.scheduled else found.occurred_on
    unbroken = short_day(when).replace(" ", "\N{NO-BREAK SPACE}")
    return f"{scenario.indicators[found.indicator].label} ({unbroken})"


def unit(assumption: Assumption) -> str:
    """Return the unit of an assumption's values, to stand after a number; may be empty."""
    match assumption.role:
        case "rate":
            return f"per {number(assumption.days)} days"
        case "duration":
            return "days"
        case _:
            return ""


def value_text(assumption: Assumption, value: float) -> str:
    """Return a value of an assumption without its unit; a multiplier has its sign."""
    return (TIMES if assumption.role == "multiplier" else "") + number(value)


def range_text(assumption: Assumption, low: float, high: float) -> str:
    """`0.03–0.15`, without the unit."""
    return f"{value_text(assumption, low)}{DASH}{number(high)}"
