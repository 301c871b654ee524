"""Many histories as arrays: on which day, counted from its opening, each saw which mark.

A *mark* is a kind of event: here the hostility and, for display and use of force, the side that
acted. Day 0 is the day of the opening event. Each history is watched from then for `watch`
days, unless it ends earlier with the first event at the closing level (that event included), or
with the data. Of several events on one day the most hostile counts (of equals the first): days
are as fine as dates go, and what passes within one is seldom in order.

Every history opens with an event, by definition: that one came on day 0 says nothing, and only
which mark it was counts, with probability λ_j(k)/Σ_i λ_i(k) in state k.

A history that has gone quiet stays under watch: that its coders saw nothing more is evidence,
and a forecaster at the time could not know that it was over.

Shapes: N histories, sorted by their number of events, most first; E the largest such number.

>>> from escalation.history.histories import Event, group
>>> acts = [
...     Event("1", n, date(1962, 10, d), level=l, side="A") for n, d, l in ((1, 22, 3), (2, 27, 4))
... ]
>>> lines = timelines(group(acts), watch=90, until=date(2014, 12, 31))
>>> lines.gap.ravel().tolist(), [MARKS[m] for m in lines.mark.ravel()], lines.days.tolist()
([0, 5], ['display_opener', 'force_opener'], [90])
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from escalation.history.histories import DISPLAY, FORCE, WAR
from escalation.maths.filtering import Batch, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from escalation.history.histories import Event, History
    from escalation.maths.ctmc import Chain

    Array = NDArray[np.float64]
    Index = NDArray[np.int32]

MARKS = (
    "threat", "display_opener", "display_other", "force_opener", "force_other", "war",
)  # fmt: skip
LEVEL = np.array([2, 3, 3, 4, 4, 5])
"""Hostility of each mark."""


@dataclass(frozen=True)
class Timelines:
    """N histories as arrays.

    Attributes
    ----------
    until_day : date
        End of the data.
    ids : tuple of str
    opened : tuple of date
        Day 0 of each.
    days : int32, shape (N,)
        How long each is watched.
    count : int32, shape (N,)
        Number of events of each; not increasing.
    gap : int32, shape (E, N)
        Days since the event before (or since day 0).
    mark : int32, shape (E, N)
        Index into `MARKS`.
    """

    until_day: date
    ids: tuple[str, ...]
    opened: tuple[date, ...]
    days: Index
    count: Index
    gap: Index
    mark: Index

    @property
    def size(self) -> int:
        """N."""
        return len(self.ids)

    @property
    def day(self) -> Index:
        """Day of each event, shape (E, N)."""
        return np.cumsum(self.gap, axis=0, dtype=np.int32)

    @property
    def rest(self) -> Index:
        """Days watched after the last event, shape (N,)."""
        here = np.arange(len(self.gap))[:, None] < self.count
        return np.asarray(self.days - (self.gap * here).sum(axis=0), dtype=np.int32)

    def until(self, day: int) -> Timelines:
        """Return what was known by the end of a day: no event after it, no watching beyond."""
        events = [
            [(int(d), int(m)) for d, m in zip(self.day[:c, i], self.mark[:c, i], strict=True)
             if d <= day]
            for i, c in enumerate(self.count)
        ]  # fmt: skip
        return _pack(
            self.until_day, self.ids, self.opened, np.minimum(self.days, day).tolist(), events
        )


def mark_of(event: Event) -> int | None:
    """Index of an event's mark; None for hostility below a threat, or not coded."""
    level = event.level or 0
    other = int(event.side == "B")
    return {2: 0, DISPLAY: 1 + other, FORCE: 3 + other, WAR: 5}.get(level)


def timelines(
    histories: Iterable[History], *, watch: int, until: date, closing: int = WAR
) -> Timelines:
    """Lay out histories.

    Parameters
    ----------
    histories : iterable of History
        One whose events have no mark on its opening day is left out.
    watch : int
        Days from the opening.
    until : date
        End of the data; nothing after it is used.
    closing : int
        Hostility whose first event ends the watching.
    """
    ids, opened, days, events = [], [], [], []
    for history in histories:
        seen, last = _events(history, watch, until, closing)
        if seen and last >= 0:
            ids.append(history.id)
            opened.append(history.start)
            days.append(last)
            events.append(seen)
    return _pack(until, ids, opened, days, events)


def _events(
    history: History, watch: int, until: date, closing: int
) -> tuple[list[tuple[int, int]], int]:
    """(day, mark) of each event watched, and the last day of watching."""
    last = min(watch, (until - history.start).days)
    seen: dict[int, int] = {}
    for each in history.events:
        day, mark = (each.start - history.start).days, mark_of(each)
        if day > last:
            break
        if mark is not None and (day not in seen or LEVEL[mark] > LEVEL[seen[day]]):
            seen[day] = mark
            if int(LEVEL[mark]) >= closing:
                last = day
    return sorted(seen.items()), last


def _pack(
    until: date,
    ids: Sequence[str],
    opened: Sequence[date],
    days: Sequence[int],
    events: Sequence[Sequence[tuple[int, int]]],
) -> Timelines:
    order = sorted(range(len(ids)), key=lambda i: (-len(events[i]), i))
    most = len(events[order[0]]) if order else 0
    gap = np.zeros((most, len(ids)), dtype=np.int32)
    mark = np.zeros((most, len(ids)), dtype=np.int32)
    for column, i in enumerate(order):
        size = len(events[i])
        at = np.array([day for day, _ in events[i]], dtype=np.int32)
        gap[:size, column] = np.diff(at, prepend=0)
        mark[:size, column] = [each for _, each in events[i]]
    return Timelines(
        until,
        tuple(ids[i] for i in order),
        tuple(opened[i] for i in order),
        np.array([days[i] for i in order], dtype=np.int32),
        np.array([len(events[i]) for i in order], dtype=np.int32),
        gap,
        mark,
    )


def batch(lines: Timelines, start: Array, chain: Chain, intensity: Array) -> Batch:
    """Histories as one batch of the day-by-day filter: many timelines of one draw.

    Parameters
    ----------
    lines : Timelines
    start : Array, shape (K,)
    chain : Chain
        Rates of shape (G, 1), shared by all histories.
    intensity : Array, shape (J, K)
        Of each mark in each state, per day.
    """
    last = int(lines.days.max(initial=0))
    rows = np.concatenate([intensity, opening(intensity)])
    largest = rows.max(axis=1)
    never = last + 1
    here = np.arange(len(lines.gap))[:, None] < lines.count
    tables = lines.mark.copy()
    tables[:1] += len(intensity)
    evidence = Evidence(
        intensity.sum(axis=0)[None, :, None],
        np.zeros(last, dtype=np.int32),
        np.where(here, lines.day, never).astype(np.int32),
        tables,
        np.arange(rows.size, dtype=np.int32).reshape(rows.shape),
        (rows / largest[:, None]).reshape(-1, 1),
        np.log(largest)[:, None],
    )
    shared = type(chain)(
        chain.states, chain.source, chain.target, chain.row,
        np.repeat(chain.rates, lines.size, axis=1), chain.modulator, chain.multipliers,
        np.zeros(max(last, 1), dtype=np.int32),
    )  # fmt: skip
    return Batch(np.repeat(start[:, None], lines.size, axis=1), shared, evidence, lines.days)


def opening(intensity: Array) -> Array:
    """P(mark of the opening event | state), shape (J, K): an event there is, of some mark."""
    return np.asarray(intensity / intensity.sum(axis=0))
