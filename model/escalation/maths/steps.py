"""Which days the recursions of `filtering` can take in one step.

Between events nothing but time passes, and where the rates stay as they are, one longer step
serves for all its days: N(Λt) terms of the exponential's series grow far slower than t. The days
in between come from the same terms, Σ_n (s/t)ⁿ (At)ⁿ/n! v = e^(Λs) exp(Gs) v for s < t.

A step is a row (first day, days). Steps of one batch are the same for all its members, so they
end where anything happens to any of them; a step whose days in between are asked for is also
short enough for the fastest member to be taken in one part (`ctmc.PART_REACH`).

>>> cut([0, 5, 6], lambda day: 2).tolist()
[[0, 1], [1, 2], [3, 2], [5, 1]]
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from escalation.maths.ctmc import PART_REACH, Generator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from escalation.maths.batches import Batch

    Index = NDArray[np.int32]

LONGEST = 4096  # days of a step of which only the end counts


def history_steps(batch: Batch, most_days: int | None = None) -> Index:
    """Steps over the history, of at most so many days where those in between are asked for."""
    chain, evidence, last = batch.chain, batch.evidence, int(batch.days.max(initial=0))
    stop = np.zeros(last + 1, dtype=bool)
    stop[[0, last]] = True
    if last > 1:  # one day is one step, whatever happens on it
        stop[batch.days] = True
        stop[evidence.event_day[evidence.event_day <= last]] = True
        _stop_where_changing(stop[:last], evidence.killing_segment)
        if len(chain.multipliers):
            _stop_where_changing(stop[:last], chain.segment)

    @cache
    def most(segment: int, stretch: int) -> float:
        killing = None if stretch < 0 else evidence.killing[stretch]
        return float(Generator.of(chain, chain.rates_in(segment), killing).most.max(initial=0.0))

    def longest(day: int) -> int:
        if most_days is None:
            return LONGEST
        return _days_of_one_part(
            most(int(chain.segment[day]), int(evidence.killing_segment[day])), most_days
        )

    return cut(np.flatnonzero(stop).tolist(), longest)


def forecast_steps(batch: Batch, horizon: int, most_days: int) -> Index:
    """Steps over the horizon; the first day is counted from the end of each member's history."""
    if horizon == 0:
        return cut([0], lambda _: 1)
    chain, ends = batch.chain, np.unique(batch.days)
    stop = np.zeros(horizon + 1, dtype=bool)
    stop[[0, horizon]] = True
    if len(chain.multipliers):
        for end in ends:
            _stop_where_changing(stop[:horizon], chain.segment[end:])

    @cache
    def most(segment: int) -> float:
        return float(Generator.of(chain, chain.rates_in(segment)).most.max(initial=0.0))

    def longest(ahead: int) -> int:
        segments = {int(segment) for segment in chain.segment[ends + ahead]}
        return _days_of_one_part(max(map(most, segments), default=0.0), most_days)

    return cut(np.flatnonzero(stop).tolist(), longest)


def cut(stops: Iterable[int], longest: Callable[[int], int]) -> Index:
    """Steps from stop to stop, cut evenly into pieces of at most `longest(first day)` days."""
    begin, *others = stops
    ends = [begin]
    for stop in others:
        length = stop - begin
        pieces = -(-length // longest(begin)) if length > 1 else 1
        ends.extend(begin + length * piece // pieces for piece in range(1, pieces + 1))
        begin = stop
    return np.column_stack([ends[:-1], np.diff(ends)]).astype(np.int32)


def _stop_where_changing(stop: NDArray[np.bool_], values: Index) -> None:
    """Mark the days that differ from the day before."""
    stop[1:] |= values[1 : len(stop)] != values[: max(len(stop) - 1, 0)]


def _days_of_one_part(rate: float, most_days: int) -> int:
    """Days, one at least, that Λ = `rate` takes in one part."""
    reach = PART_REACH * (1 - 1e-9)  # whatever the order in which rates are added up
    return most_days if rate * most_days <= reach else max(1, int(reach / rate))
