r"""Base rates from event histories: how often cases of a class climb from one level to the next.

For each history of a class, with levels lo < hi of `histories`:

    t_lo    first day of an event at lo or above        out, if there is none
    t_hi    first day of an event at hi or above        out, if t_hi ≤ t_lo: the order is not known
    at risk from t_lo + delay to t_hi (one event), or, if there is no t_hi, to its last event
            + tail (censored), cut at the end of the data; out, if that leaves no day

With n events in T days at risk, and Jeffreys' prior for a Poisson rate, the rate per day is
Gamma(n + ½, T) a posteriori. The **tail**, how long after its last event a case still counts as
at risk, is a choice and not data: the reciprocal rate is nearly proportional to it, so every class
says what other tails would give.

A **landmark** class asks at one age of the case only (van Houwelingen 2007, Scand. J. Stat. 34):
those that at t_lo + landmark have not reached hi, and in which something was done in the last
`active` days, are watched for `window` days, or to t_hi. No tail enters.

A **table** class counts the rows of a published table of cases that ended so, and adds up a
column of days.

>>> display, force = (
...     Event("1", n, date(1962, 10, d), level=l) for n, d, l in ((1, 22, 3), (2, 27, 4))
... )
>>> climb(group([display, force]), Climb(3, 4, tail=180), until=date(2014, 12, 31))
Count(cases=1, events=1, exposure=5)
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from escalation.errors import InvalidInputError, InvalidValueError, Problem
from escalation.history.histories import Event, History, group

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

__all__ = ["Event", "group"]

PRIOR_EVENTS = 0.5  # Jeffreys
PER = 30  # days; the unit of rates in the files


@dataclass(frozen=True)
class Count:
    """What was counted: histories at risk, events among them, days at risk."""

    cases: int
    events: int
    exposure: int

    @property
    def shape(self) -> float:
        """Shape of the Gamma posterior of the rate."""
        return self.events + PRIOR_EVENTS

    @property
    def scale(self) -> float:
        """Scale of the Gamma posterior of the rate per 30 days.

        Raises
        ------
        InvalidValueError
            If nothing was at risk.
        """
        if not self.exposure:
            raise InvalidValueError("no history of this class was at risk")
        return PER / self.exposure

    @property
    def mean(self) -> float:
        """Posterior mean of the rate per 30 days."""
        return self.shape * self.scale


@dataclass(frozen=True)
class Selection:
    """Which histories make a class: by their opening event.

    Attributes
    ----------
    opened_by, against : str
        A code, a group ("major"), "not" and a group, or "" for anybody.
    actions : collection of str
        Codes of what it opens with; empty: anything.
    levels : collection of int
        Hostility that it opens with; empty: any.
    first_year, last_year : int
        When it opens, both included.
    groups : Mapping[str, Mapping[str, tuple[tuple[int, int], ...]]]
        Group → code → years (both included) in which the code belongs to it.
    """

    opened_by: str = ""
    against: str = ""
    actions: Collection[str] = ()
    levels: Collection[int] = ()
    first_year: int = 0
    last_year: int = 9999
    groups: Mapping[str, Mapping[str, tuple[tuple[int, int], ...]]] | None = None

    def holds(self, history: History) -> bool:
        """Whether a history belongs to the class."""
        opening = history.opening
        year = opening.start.year
        return (
            self.first_year <= year <= self.last_year
            and (not self.actions or opening.action in self.actions)
            and (not self.levels or opening.level in self.levels)
            and all(self._is(opening.actor, each, year) for each in self.opened_by.split(", "))
            and all(self._is(opening.target, each, year) for each in self.against.split(", "))
        )

    def _is(self, code: str, wanted: str, year: int) -> bool:
        if not wanted:
            return True
        name = wanted.removeprefix("not ")
        groups = self.groups or {}
        if name not in groups:
            return (code == name) != wanted.startswith("not ")
        years = groups[name].get(code, ())
        inside = any(first <= year <= last for first, last in years)
        return inside != wanted.startswith("not ")


@dataclass(frozen=True)
class Climb:
    """From level `low` to `high`; `delay` and `tail` in days."""

    low: int
    high: int
    delay: int = 0
    tail: int = 180


@dataclass(frozen=True)
class Landmark:
    """At risk of `high` for `window` days from `at` days after reaching `low`.

    `active` asks for an event in so many days up to the landmark; 0 asks for nothing.
    """

    low: int
    high: int
    at: int
    window: int
    active: int = 0


def climb(histories: Iterable[History], rule: Climb, until: date) -> Count:
    """Count events and days at risk; `until` is the end of the data."""
    cases = events = exposure = 0
    for history in histories:
        span = _at_risk(history, rule, until)
        if span is not None and span[0] > 0:
            cases += 1
            exposure += span[0]
            events += span[1]
    return Count(cases, events, exposure)


def _at_risk(history: History, rule: Climb, until: date) -> tuple[int, bool] | None:
    """Days at risk (none if not above 0) and whether it climbed; None: it is out."""
    low, high = history.first_day(rule.low), history.first_day(rule.high)
    if low is None or (high is not None and high <= low):
        return None
    start = low + timedelta(days=rule.delay)
    end = high or min(history.last + timedelta(days=rule.tail), until)
    return (end - start).days, high is not None


def landmark(histories: Iterable[History], rule: Landmark, until: date) -> Count:
    """Count at a landmark; histories whose window ends after the data are out."""
    cases = events = exposure = 0
    for history in histories:
        low, high = history.first_day(rule.low), history.first_day(rule.high)
        if low is None:
            continue
        now = low + timedelta(days=rule.at)
        close = now + timedelta(days=rule.window)
        if close > until or (high is not None and high <= now) or not _active(history, rule, now):
            continue
        climbed = high is not None and high <= close
        cases += 1
        events += climbed
        exposure += ((high if climbed and high else close) - now).days
    return Count(cases, events, exposure)


def _active(history: History, rule: Landmark, now: date) -> bool:
    since = now - timedelta(days=rule.active)
    return not rule.active or any(since < each.start <= now for each in history.events)


@dataclass(frozen=True)
class Table:
    """Rows of a published table.

    Attributes
    ----------
    where : Mapping[str, tuple[int | str, int | str]]
        Column → lowest and highest value of the rows counted; texts must be equal to both.
    event : tuple[str, tuple[str, ...]]
        Column and its values that make a row an event.
    exposure : str
        Column of days.
    """

    where: Mapping[str, tuple[int | str, int | str]]
    event: tuple[str, tuple[str, ...]]
    exposure: str


def table(path: Path, rule: Table) -> Count:
    """Count the rows of a CSV file.

    Raises
    ------
    InvalidInputError
        If it cannot be read, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.DictReader(file) if _chosen(row, rule.where)]
            column, values = rule.event
            events = sum(row[column] in values for row in rows)
            return Count(len(rows), events, sum(int(row[rule.exposure] or 0) for row in rows))
    except (OSError, KeyError, ValueError) as error:
        raise InvalidInputError([Problem(path, 1, 1, "", f"cannot be counted: {error}")]) from error


def _chosen(row: Mapping[str, str], where: Mapping[str, tuple[int | str, int | str]]) -> bool:
    for column, (low, high) in where.items():
        text = row[column].strip()
        if isinstance(low, str) or isinstance(high, str):
            if text != low:
                return False
        elif not text or not low <= int(text) <= high:
            return False
    return True
