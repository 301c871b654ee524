r"""A run of the filter that is kept, so that parts of the evidence can be left out of it.

With v_d the state probabilities of a draw on the eve of day d's reports, ℓ_d the log-likelihood of
all before, and the two outlooks after the reports of day e (see `backward`)

    β_e(k) = P(evidence after e | state k),      γ_e(k) = P(evidence after e, target | state k)

whatever is left out from d to e costs the days from d to e only: v_d is passed on to u_e through
what is kept, and

    ℓ′ = ℓ_d + ln(what is kept) + ln Σ u_e β_e,        P′ = Σ u_e γ_e / Σ u_e β_e

Where with a report goes an effect, the place of an echo or the end of a silence, the rest of the
case is laid out anew, and filtered from the first day on which anything is different.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.compiler import batch
from escalation.explaining.backward import Outlook, before, reach
from escalation.explaining.weighing import Answers, arrival, intensity, later
from escalation.maths.filtering import Batch, Likelihood, log_likelihood

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from escalation.engine.layout import Plan
    from escalation.explaining.weighing import Aimed

    Array = NDArray[np.float64]
    Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Run:
    """The filter, run for some of the common draws of a question.

    Attributes
    ----------
    aimed : Aimed
        The question.
    part : slice
        Which draws.
    made : Batch
        Of the unchanged plan.
    """

    aimed: Aimed
    part: slice
    made: Batch

    @classmethod
    def of(cls, aimed: Aimed, part: slice) -> Run:
        """Compile the unchanged plan for some of the draws."""
        values = {name: each[part] for name, each in aimed.common.values.items()}
        return cls(aimed, part, batch(aimed.assessment.plan, values))

    @property
    def layout(self) -> Plan:
        """The unchanged plan."""
        return self.aimed.assessment.plan

    @property
    def inside(self) -> Mask:
        """The target's states."""
        return self.layout.reached(self.aimed.target)

    def without(self, reports: tuple[str, ...]) -> Answers:
        """What each draw says without some reports, their effects and all."""
        old = self.layout
        new = old.without(reports)
        rest = tuple(each for each in old.conditioning if each.observation.id not in reports)
        if (new.conditioning, new.watch, new.occurrences) != (rest, old.watch, old.occurrences):
            return self._otherwise(new)
        gone = np.array([old.conditioning[i].observation.id in reports for i in old.event_of])
        first, last = int(old.event_day[gone].min()), int(old.event_day[gone].max())
        vector, loglik = self.eves[first]
        span = (old.event_day >= first) & (old.event_day <= last)
        found = passed(self.made, vector, (first, last), span & ~gone)
        return self._finished(found, loglik, last)

    def unwatched(self, name: str) -> Answers:
        """What each draw says if a type of which nothing was heard had not been watched."""
        layout, evidence = self.layout, self.made.evidence
        end = layout.watch[name]
        values = {each: row[self.part] for each, row in self.aimed.common.values.items()}
        killing = evidence.killing.copy()
        stretches = np.unique(evidence.killing_segment[:end])
        killing[stretches] -= intensity(layout, name, values)
        less = replace(evidence, killing=np.clip(killing, 0.0, None))
        blind = replace(self.made, evidence=less)
        found = passed(blind, self.made.start, (0, end), layout.event_day <= end)
        return self._finished(found, np.zeros(self.made.size), end)

    def _finished(self, found: Likelihood, loglik: Array, day: int) -> Answers:
        """Close with the outlooks of a day, once its reports are met."""
        evidence, target = self.outlooks[day]
        rest = evidence.seen_from(found.filtered)
        some = np.isfinite(rest)
        share = target.seen_from(found.filtered) - np.where(some, rest, 0.0)
        reached = np.where(some, np.minimum(np.exp(share), 1.0), 0.0)
        return Answers(loglik + found.loglik + rest, reached)

    def _otherwise(self, new: Plan) -> Answers:
        """What each draw says under another plan of the same days."""
        every = self.aimed.common.values_for(new)
        made = batch(new, {name: each[self.part] for name, each in every.items()})
        parting = _parting(self.layout, new)
        day = max(each for each in self.eves if each <= parting)
        vector, loglik = self.eves[day]
        found = passed(made, vector, (day, new.history), new.event_day >= day)
        chain = later(made.chain, new.history)
        reached = arrival(chain, found.filtered, self.inside, new.horizon)
        return Answers(loglik + found.loglik, reached)

    @cached_property
    def days(self) -> list[int]:
        """Days of events, in order."""
        return sorted({int(day) for day in self.layout.event_day if day <= self.layout.history})

    @cached_property
    def eves(self) -> Mapping[int, tuple[Array, Array]]:
        """State probabilities and log-likelihood on day 0 and each day of events, before these."""
        when = self.layout.event_day
        here, loglik = self.made.start, np.zeros(self.made.size)
        found, begin = {0: (here, loglik)}, 0
        for day in self.days:
            more = passed(self.made, here, (begin, day), (when >= begin) & (when < day))
            here, loglik, begin = more.filtered, loglik + more.loglik, day
            found[day] = here, loglik
        return found

    @cached_property
    def outlooks(self) -> Mapping[int, tuple[Outlook, Outlook]]:
        """β and γ on each day of events, these met, and on each day on which a watch ends."""
        layout = self.layout
        end = layout.history
        ahead = reach(later(self.made.chain, end), self.inside, layout.horizon)
        both = Outlook.of(np.ones_like(ahead)), Outlook.of(ahead)
        found = {end: both}
        ends = {days for days in layout.watch.values() if days > 0}
        for day in sorted({*self.days, *ends} - {end}, reverse=True):
            both = before(self.made, both[0], day, end), before(self.made, both[1], day, end)
            found[day], end = both, day
        return found


def passed(made: Batch, vector: Array, days: tuple[int, int], events: Mask) -> Likelihood:
    """Pass from one day to another, meeting some of the events of these days, ends included."""
    begin, end = days
    evidence = made.evidence
    some = replace(
        evidence,
        killing_segment=np.ascontiguousarray(evidence.killing_segment[begin:end]),
        event_day=evidence.event_day[events] - np.int32(begin),
        event_table=evidence.event_table[events],
    )
    length = np.full(made.size, end - begin, dtype=np.int32)
    return log_likelihood(Batch(vector, later(made.chain, begin), some, length))


def _parting(old: Plan, new: Plan) -> int:
    """The first day on which two plans of the same days differ."""
    days = [old.history]
    for one, other in ((old, new), (new, old)):
        days += [each.days[0] for each in one.conditioning if each not in other.conditioning]
        days += [
            min(end, other.watch.get(name, 0))
            for name, end in one.watch.items()
            if end != other.watch.get(name)
        ]
        for name, group in one.occurrences.items():
            kept = other.occurrences.get(name, ())
            days += [max(each.first, 0) for each in group if each not in kept]
    return min(days)
