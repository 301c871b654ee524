"""The small languages inside the files: uncertain numbers, durations, dates, names of moves.

    number     = value | value "to" value | word | {dist: …}
    rate       = number ["per" duration]            per 30 days where nothing is said
    multiplier = ["x"] number
    duration   = value unit ["to" value unit],      unit = "d" | "w" (7 d) | "y" (365 d)
    move       = state "->" state

An interval is the central 90 % of a log-normal, of a logit-normal for probabilities; a word is
one of ICD 203, and means its band as that interval (`maths.priors`, `maths.words`).
What the texts mean is `docs/formats.md`; where they may stand, `reading.schema`.

>>> number("3 to 6 per 7d", "rate").days, number("x2", "multiplier").crossed
(7.0, True)
>>> duration_days("12w"), move("coerce -> strike")
(84.0, ('coerce', 'strike'))
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from escalation.errors import InvalidValueError
from escalation.maths.priors import Fixed, distribution, interval
from escalation.maths.words import ICD203_BANDS
from escalation.reading.tree import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from escalation.maths.priors import Prior
    from escalation.reading.case import Role

RATE_DAYS = 30.0
UNITS = {"d": 1.0, "w": 7.0, "y": 365.0}
MAX_RATE_PER_DAY = 1_000.0
MAX_MULTIPLIER = 1e6
MAX_DAYS = 36_500.0  # of an uncertain duration
MAX_PLAIN_DAYS = 1e7  # of a plain one: exposures add up over many cases

NUMBER_PATTERN = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
DURATION_PATTERN = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?[dwy]"
WORD_PATTERN = r"[a-z][a-z0-9_]*"
REASONS = frozenset({"why", "source"})
_PLACES = ("rate", "rung", "reference", "probability", "value", "window", "per", "dist", "into")
RESERVED = REASONS | frozenset(_PLACES)

_NUMBER = re.compile(rf"({NUMBER_PATTERN})(?:\s+to\s+({NUMBER_PATTERN}))?")
_PER = re.compile(rf"(.*\S)\s+per\s+({DURATION_PATTERN}|[dwy])", re.DOTALL)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?([dwy])")
_PERCENT = re.compile(rf"({NUMBER_PATTERN}) ?%")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORD = re.compile(WORD_PATTERN)
_MOVE = re.compile(rf"({WORD_PATTERN}) -> ({WORD_PATTERN})")
_TAIL = 1e-15  # the outermost draws lie about here
_MAX_LENGTH = 200


@dataclass(frozen=True)
class Number:
    """An uncertain number: its prior, per how many days (rates), whether written with an x."""

    prior: Prior
    days: float = 1.0
    crossed: bool = False


def number(value: object, role: Role, *, strict: bool = False, days: float = RATE_DAYS) -> Number:
    """Read an uncertain number.

    Parameters
    ----------
    value : str, int, float, or mapping
        As in the files; a mapping has `dist` and its parameters, or `value`.
    role : {"rate", "probability", "multiplier", "duration", "weight"}
        What kind of number is expected.
    strict : bool
        Whether a probability must be below 1, and a rate or multiplier above 0.
    days : float
        Per how many days a rate is where it does not say so itself.

    Raises
    ------
    InvalidValueError
        If it cannot be read, or lies outside what the role allows.
    """
    if isinstance(value, dict):
        if "value" in value:
            return number(value["value"], role, strict=strict, days=days)
        read = Number(_distribution(value), days if role == "rate" else 1.0)
    else:
        read = _of_text(scalar_text(value), role, days)
    _check(read, role, strict=strict)
    return read


def scalar_text(value: object) -> str:
    """Return a scalar as text.

    Raises
    ------
    InvalidValueError
        If it is no number and no text.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidValueError(f"expected a number, for instance 0.1 to 0.4 (got {value!r:.40})")
    return str(value)


def is_crossed(text: str) -> bool:
    """Whether a number is written as a multiplier, with an x."""
    return re.match(r"x ?[-+.0-9]", text) is not None


def _of_text(text: str, role: Role, days: float) -> Number:
    stripped = text.strip()
    if not stripped or len(stripped) > _MAX_LENGTH:
        raise InvalidValueError(f"expected {_EXPECTED[role]} (got {quoted(stripped)})")
    if role == "rate":
        return _rate(stripped, days)
    if role == "duration":
        ends = [duration_days(each) for each in re.split(r"\s+to\s+", stripped, maxsplit=1)]
        return Number(_interval(ends, role))
    if role == "multiplier":
        crossed = is_crossed(stripped)
        return Number(_plain(stripped[1:].lstrip() if crossed else stripped, role), 1.0, crossed)
    word = " ".join(stripped.lower().split())
    if word in ICD203_BANDS:
        return Number(interval(*ICD203_BANDS[word], role))
    return Number(_plain(stripped, role))


def _rate(text: str, days: float) -> Number:
    found = _PER.fullmatch(text)
    if found is None:
        return Number(_plain(text, "rate"), days)
    per = UNITS[found[2]] if found[2] in UNITS else duration_days(found[2])
    if per <= 0:
        raise InvalidValueError(f"{quoted(text)} is a rate per no time at all")
    return Number(_plain(found[1], "rate"), per)


def _plain(text: str, role: Role) -> Prior:
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise InvalidValueError(
            f"expected {_EXPECTED[role]} (got {quoted(text)}){_hint(text, role)}"
        )
    return _interval([_finite(each) for each in found.groups() if each is not None], role)


def _hint(text: str, role: Role) -> str:
    percent = _PERCENT.fullmatch(text)
    if percent and role in {"probability", "weight"}:
        return f"; write {float(percent[1]) / 100:g}"
    if is_crossed(text):
        return "; an x marks a multiplier, and none can stand here"
    if " - " in text or "–" in text or ".." in text:
        return "; write an interval with 'to'"
    return ""


def _interval(ends: list[float], role: Role) -> Prior:
    return interval(ends[0], ends[1], role) if len(ends) > 1 else Fixed(ends[0])


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidValueError(f"{quoted(text)} is too large a number")
    return value


_EXPECTED: Mapping[str, str] = {
    "rate": "a rate, for instance 0.1 to 0.4 or 3 per 7d",
    "probability": "a probability, for instance 0.6, 0.5 to 0.8 or very likely",
    "weight": "a probability, for instance 0.6 or 0.5 to 0.8",
    "multiplier": "a multiplier, for instance x2 or x1.5 to 4",
    "duration": "a duration with its unit, for instance 90d or 8w to 12w",
}


def _distribution(value: Mapping[str, object]) -> Prior:
    name = value.get("dist")
    if not isinstance(name, str):
        raise InvalidValueError("expected a number, or a map with dist: and its parameters")
    ignored = {"dist", "why", "source"}
    parameters = {k: _parameter(k, v) for k, v in value.items() if k not in ignored}
    return distribution(name, parameters)


def _parameter(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidValueError(f"the parameter {quoted(name)} must be a plain number")
    return float(value)


def _check(read: Number, role: Role, *, strict: bool) -> None:
    """Refuse what the role does not allow, out to the ends of what can be drawn."""
    with np.errstate(all="ignore"):
        low, high, top = (
            float(each) for each in read.prior.quantile(np.array([_TAIL, 1 - _TAIL, 0.95]))
        )
    given = f"(got {low:g})" if read.prior.fixed else "(this one reaches {:.3g})"
    if not math.isfinite(low) or not math.isfinite(high):
        raise InvalidValueError(f"this is too wide for a {role}")
    if role in {"probability", "weight"}:
        _check_unit(low, high, given, strict=strict)
        return
    if low < 0 or (low == 0 and (role == "duration" or (strict and read.prior.fixed))):
        bound = "cannot be negative" if low < 0 else "must be above 0"
        hint = "" if read.prior.fixed else "; an interval, a gamma or a lognormal does not"
        raise InvalidValueError(f"a {role} {bound} {given.format(low)}{hint}")
    most = {"rate": MAX_RATE_PER_DAY * read.days, "duration": MAX_DAYS}.get(role, MAX_MULTIPLIER)
    if top > most:
        raise InvalidValueError(f"this {role} is too large (at most {most:g})")


def _check_unit(low: float, high: float, given: str, *, strict: bool) -> None:
    if low < 0 or high > 1:
        end = low if low < 0 else high
        raise InvalidValueError(f"a probability lies between 0 and 1 {given.format(end)}")
    if strict and high >= 1:
        raise InvalidValueError(
            f"a probability within a window must be below 1 {given.format(high)}"
        )


def duration_days(text: str) -> float:
    """Return a plain duration such as `90d`, `12w` or `1y`, in days.

    Raises
    ------
    InvalidValueError
        If it has no unit, or is too long.
    """
    found = _DURATION.fullmatch(text.strip()) if len(text) <= _MAX_LENGTH else None
    if found is None:
        unit = f"; write {text.strip()}d" if re.fullmatch(r"[0-9]{1,5}", text.strip()) else ""
        raise InvalidValueError(
            f"expected a duration with its unit, d, w or y, such as 90d (got {quoted(text)}){unit}"
        )
    days = float(found[1]) * UNITS[found[2]]
    if days > MAX_PLAIN_DAYS:
        raise InvalidValueError(f"{quoted(text)} is longer than {MAX_PLAIN_DAYS:,.0f} days")
    return days


def whole_days(text: str) -> int:
    """Return a duration that must be a whole number of days.

    Raises
    ------
    InvalidValueError
        If it is none.
    """
    days = duration_days(text)
    if days != int(days):
        raise InvalidValueError(f"{quoted(text)} is not a whole number of days")
    return int(days)


def iso_date(text: str) -> date:
    """Return an ISO date.

    Raises
    ------
    InvalidValueError
        If it is none.
    """
    stripped = text.strip()
    if not _DATE.fullmatch(stripped):
        raise InvalidValueError(f"expected a date such as 2025-11-16 (got {quoted(stripped)})")
    try:
        return date.fromisoformat(stripped)
    except ValueError as error:
        raise InvalidValueError(f"there is no such day as {stripped}") from error


def word(text: str) -> str:
    """Return a name that an analyst gives: of a state, factor, indicator or class.

    Raises
    ------
    InvalidValueError
        If it is no lower-case word, or reserved.
    """
    if len(text) > MAX_WORD or not _WORD.fullmatch(text):
        raise InvalidValueError(
            f"{quoted(text)} is no name; write a lower-case word (a-z, digits, _) of at most "
            f"{MAX_WORD} characters"
        )
    if text in RESERVED:
        raise InvalidValueError(f"{quoted(text)} is reserved; choose another name")
    return text


MAX_WORD = 60


def move(text: str) -> tuple[str, str] | None:
    """Return the states of a move's name such as `coerce -> strike`; None if it is none."""
    found = _MOVE.fullmatch(text)
    return (found[1], found[2]) if found else None


def into(text: str) -> str | None:
    """Return the state of an effect's key such as `into strike`; None if it is none."""
    found = re.fullmatch(rf"into ({WORD_PATTERN})", text)
    return found[1] if found else None
