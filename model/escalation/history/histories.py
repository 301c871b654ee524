"""Event histories: dated acts between named sides, whatever data set they were coded in.

An *event* is one act: who, against whom, what (a code, always as text: the CAMEO code `010` is not
the number 10), from which day to which day, and how hostile on the scale of the Militarized
Interstate Dispute project:

    1 none    2 threat to use force    3 display of force    4 use of force    5 war

A *history* is the events that belong together: a confrontation, a dispute, a crisis, or all
that passed between two sides. Data sets give some dates without a day, or without a month. One
stated rule fills the gap, the same for starts and ends:

    first    the first day of the month (or year)
    middle   the 15th of the month (2 July of the year): the default
    last     the last day of the month (or year)

`Event.precise` says whether the source gave the day itself. An end before its start counts as
the start.

>>> fill(1902, 5, None), fill(1902, 5, None, "last"), fill(1902, None, None)
(datetime.date(1902, 5, 15), datetime.date(1902, 5, 31), datetime.date(1902, 7, 2))
>>> events = [Event("7", 1, date(1962, 10, 22), actor="2", target="40", level=3)]
>>> group(events)[0].first_day(3)
datetime.date(1962, 10, 22)
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Literal, get_args

from escalation.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterable

Missing = Literal["first", "middle", "last"]
MISSING: tuple[Missing, ...] = get_args(Missing)

THREAT, DISPLAY, FORCE, WAR = 2, 3, 4, 5
JULY, MIDDLE = 7, 15


@dataclass(frozen=True, slots=True)
class Event:
    """One act.

    Attributes
    ----------
    history : str
        What it belongs to: number of the confrontation, or names of the two sides.
    number : int
        Its place in the source; orders the events of one day.
    start, end : date
        First and last day, gaps filled by the rule.
    precise : bool
        Whether the source gave the start day.
    actor, target : str
        Codes or names as in the source; may be empty.
    action : str
        Code as in the source, leading zeros kept.
    level : int | None
        Hostility 1–5; None where the source's scale says nothing of it.
    side : str
        "A" for the side that opened the history, "B" for the other, "" where it is not coded.
    source : str
        Where it stands: data set and row.
    text : str
        What the source says of it in words; may be empty.
    """

    history: str
    number: int
    start: date
    end: date = date.min
    precise: bool = True
    actor: str = ""
    target: str = ""
    action: str = ""
    level: int | None = None
    side: str = ""
    source: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        """An end that is missing, or before the start, is the start."""
        object.__setattr__(self, "end", max(self.start, self.end))


@dataclass(frozen=True)
class History:
    """Events that belong together, by start day and then number; at least one."""

    id: str
    events: tuple[Event, ...]

    @property
    def opening(self) -> Event:
        """The first event."""
        return self.events[0]

    @property
    def start(self) -> date:
        """Day of the first event."""
        return self.events[0].start

    @property
    def last(self) -> date:
        """Latest day of any event."""
        return max(each.end for each in self.events)

    def first_day(self, level: int) -> date | None:
        """First day of an event at this hostility or above; None: there is none."""
        days = (each.start for each in self.events if (each.level or 0) >= level)
        return next(days, None)


def group(events: Iterable[Event]) -> tuple[History, ...]:
    """Put events into their histories, in the order in which these began."""
    ordered = sorted(events, key=lambda each: (each.history, each.start, each.number))
    histories = (
        History(name, tuple(members))
        for name, members in groupby(ordered, key=lambda each: each.history)
    )
    return tuple(sorted(histories, key=lambda each: (each.start, each.id)))


def fill(year: int, month: int | None, day: int | None, rule: Missing = "middle") -> date:
    """Return the day that a date with gaps stands for.

    Raises
    ------
    InvalidValueError
        If there is no such day.
    """
    try:
        if month is None:
            return _year(year, rule)
        return date(year, month, day if day is not None else _day(year, month, rule))
    except (ValueError, calendar.IllegalMonthError) as error:
        raise InvalidValueError(f"there is no such day as {year}-{month}-{day}") from error


def _year(year: int, rule: Missing) -> date:
    days = {"first": date(year, 1, 1), "middle": date(year, JULY, 2), "last": date(year, 12, 31)}
    return days[rule]


def _day(year: int, month: int, rule: Missing) -> int:
    return {"first": 1, "middle": MIDDLE, "last": calendar.monthrange(year, month)[1]}[rule]
