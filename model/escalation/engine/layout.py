"""The layout of a case: everything the engine needs that no assumption's value changes.

Which joint states and moves there are, on which day which report conditions, what is watched
for how long, which effect began when. A report conditions on the day the thing happened (a
scheduled thing: on the day it was announced) but is known only from `reported_on` on: a plan as
of a day holds nothing that had not been reported by then. (`docs/model.md`, section 3.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.recipes import Recipe
from escalation.engine.space import Space
from escalation.errors import InvalidValueError
from escalation.maths.filtering import Questions
from escalation.maths.priors import distribution
from escalation.reading.case import Assumption, RateSpec
from escalation.reading.settings import MAX_HISTORY, MAX_HORIZON

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from datetime import date

    from numpy.typing import NDArray

    from escalation.reading.case import Indicator, Observation, Scenario

    Array = NDArray[np.float64]
    Index = NDArray[np.int32]


@dataclass(frozen=True)
class Seen:
    """An indicator's intensity: a row for each distinct rate, and a combination that has it."""

    of_state: Index  # (K,) → row
    rows: tuple[dict[str, str], ...]  # factor → state id
    spec: RateSpec

    @cached_property
    def share(self) -> Array:
        """Share of the joint states that each row has, shape (rows,)."""
        return np.bincount(self.of_state, minlength=len(self.rows)) / len(self.of_state)


@dataclass(frozen=True)
class Conditioning:
    """One observation as the filter meets it.

    Attributes
    ----------
    observation : Observation
    days : tuple of int
        Days on which it conditions.
    echo : int
        Its place in its echo group, from 1.
    ratio_only : bool
        Whether only ratios between states count (not watched when it came, or an echo).
    """

    observation: Observation
    days: tuple[int, ...]
    echo: int
    ratio_only: bool


@dataclass(frozen=True)
class Occurrence:
    """When a thing with an effect happened, or is due: first and last day, from the start."""

    observation: Observation
    first: int
    last: int

    @property
    def in_force(self) -> str:
        """Name of the assumption on which it depends whether it took place."""
        return f"observations.{self.observation.id}.in_force"


@dataclass(frozen=True)
class Plan:
    """A scenario as of a day, ready for draws; see the module's text.

    Attributes
    ----------
    history, horizon : int
        T and H, in days.
    assumptions : Mapping[str, Assumption]
        Those of the scenario, and for each occurrence of an effect the uniform number that
        decides whether it took place.
    events : tuple of Conditioning
        In the order of `filtering` events: event e is of `events[event_of[e]]`.
    """

    scenario: Scenario
    as_of: date
    history: int
    horizon: int
    space: Space
    assumptions: Mapping[str, Assumption]
    seen: Mapping[str, Seen]
    watch: Mapping[str, int]  # indicator → days watched, from day 0
    conditioning: tuple[Conditioning, ...]
    event_of: Index  # (E,) → index into conditioning
    event_day: Index  # (E,)
    occurrences: Mapping[str, tuple[Occurrence, ...]]

    @cached_property
    def intensities(self) -> Recipe:
        """Recipe of all rows of `seen`, one indicator after the other."""
        return Recipe.of([(seen.spec, at) for seen in self.seen.values() for at in seen.rows])

    @property
    def questions(self) -> Questions:
        """Marginals of every factor, and first passages to each rung and off-ramp."""
        offsets = np.cumsum([0, *self.space.shape[:-1]])
        marginal = [
            self.space.values(factor.name) + offset
            for factor, offset in zip(self.space.factors, offsets, strict=True)
        ]
        return Questions(
            self.horizon,
            np.array(marginal, dtype=np.int32),
            np.array([self.reached(state) for state in self.reach], dtype=bool),
        )

    @property
    def reach(self) -> tuple[str, ...]:
        """Rungs above the lowest, and off-ramps: what can be reached."""
        scenario = self.scenario
        return tuple(state.id for state in (*scenario.rungs[1:], *scenario.off_ramps))

    def without(self, reports: Container[str]) -> Plan:
        """Return the plan without some reports, by their ids."""
        kept = tuple(each for each in self.scenario.observations if each.id not in reports)
        scenario = replace(self.scenario, observations=kept)
        return _lay_out(scenario, self.as_of, self.horizon, self.space, self.seen)

    def reached(self, state: str) -> NDArray[np.bool_]:
        """Joint states at or above a rung, or in an off-ramp: shape (K,)."""
        value = self.space.values(self.scenario.ladder.name)
        index = self.space.ids(self.scenario.ladder.name).index(state)
        rungs = len(self.scenario.rungs)
        return (value == index) if index >= rungs else (value >= index) & (value < rungs)


def plan(scenario: Scenario, as_of: date | None = None, horizon: int | None = None) -> Plan:
    """Lay out a scenario as of a day.

    Parameters
    ----------
    scenario : Scenario
    as_of : date, optional
        Only what had been reported by then, and not withdrawn, is used; the scenario's own
        as-of date by default.
    horizon : int, optional
        Days of forecast; the scenario's own by default.

    Raises
    ------
    InvalidValueError
        If the as-of date is before the start of the scenario or too long after it, or the horizon
        not positive or too long.
    """
    day, ahead = as_of or scenario.as_of, scenario.horizon if horizon is None else horizon
    if day < scenario.start:
        message = f"as-of date {day} is before the scenario starts ({scenario.start})"
        raise InvalidValueError(message)
    if (day - scenario.start).days > MAX_HISTORY:
        message = f"as-of date {day} is more than {MAX_HISTORY:,} days after the scenario's start"
        raise InvalidValueError(message)
    if not 1 <= ahead <= MAX_HORIZON:
        message = f"the horizon must be at least one day, at most {MAX_HORIZON:,} (got {ahead:,})"
        raise InvalidValueError(message)
    return _lay_out(scenario, day, ahead, Space(scenario.factors), {})


def _lay_out(
    scenario: Scenario, day: date, horizon: int, space: Space, made: Mapping[str, Seen]
) -> Plan:
    """Lay out on a space; of the indicators in `made` the rows are there already."""
    history = (day - scenario.start).days
    known = sorted(
        (each for each in scenario.observations if each.known(day)),
        key=lambda each: (each.reported_on, each.id),
    )
    watch = _watched(scenario, known, history)
    conditioning = _conditioning(scenario, known, watch)
    events = sorted((day, index) for index, each in enumerate(conditioning) for day in each.days)
    used = {each.observation.indicator for each in conditioning} | set(watch)
    occurrences = _occurrences(scenario, known)
    return Plan(
        scenario,
        day,
        history,
        horizon,
        space,
        _with_occurrences(scenario, occurrences),
        {
            name: made[name] if name in made else _seen(space, scenario.indicators[name])
            for name in sorted(used)
        },
        watch,
        conditioning,
        np.array([index for _, index in events], dtype=np.int32),
        np.array([day for day, _ in events], dtype=np.int32),
        occurrences,
    )


def _seen(space: Space, indicator: Indicator) -> Seen:
    of_state, choices = space.rates(indicator.seen)
    return Seen(of_state, tuple(choices), indicator.seen)


def _day(scenario: Scenario, when: date) -> int:
    return (when - scenario.start).days


def _condition_days(scenario: Scenario, each: Observation) -> tuple[int, ...]:
    """Days on which an observation conditions: when it happened, or when it was announced."""
    first = _day(scenario, min(each.occurred_on, each.reported_on))
    last = first if each.until is None else _day(scenario, each.until)
    return tuple(range(first, last + 1))


def _watched(scenario: Scenario, known: list[Observation], history: int) -> dict[str, int]:
    """Days from the start during which each watched indicator's silence counts."""
    watch = {}
    for indicator in scenario.indicators.values():
        if indicator.watched:
            end = max(history - indicator.lag, 0)
            if indicator.once:
                first = [
                    _condition_days(scenario, each)[0]
                    for each in known
                    if each.indicator == indicator.name
                ]
                end = max(min([end, *first]), 0)
            watch[indicator.name] = end
    return watch


def _conditioning(
    scenario: Scenario, known: list[Observation], watch: Mapping[str, int]
) -> tuple[Conditioning, ...]:
    """What the filter meets, in order of reporting."""
    echoes: dict[tuple[str, str], int] = {}
    seen: set[str] = set()
    met = []
    for each in known:
        days = _condition_days(scenario, each)
        if days[0] < 0:
            continue
        group = (each.echo_group or f"\0{each.id}", each.indicator)
        echoes[group] = echo = echoes.get(group, 0) + 1
        once = scenario.indicators[each.indicator].once and each.indicator in seen
        seen.add(each.indicator)
        watched = days[0] <= watch.get(each.indicator, -1)  # else its silence does not count
        ratio_only = not watched or once or echo > 1
        met.append(Conditioning(each, days, echo, ratio_only))
    return tuple(met)


def _occurrences(scenario: Scenario, known: list[Observation]) -> dict[str, tuple[Occurrence, ...]]:
    """Occurrences of things with an effect, by indicator; an echo is not another occurrence."""
    found: dict[str, list[Occurrence]] = {}
    groups: set[tuple[str, str]] = set()
    for each in known:
        group = (each.echo_group, each.indicator)
        if scenario.indicators[each.indicator].effect is None or (
            each.echo_group and group in groups
        ):
            continue
        groups.add(group)
        first = _day(scenario, each.occurred_on)
        last = first if each.until is None else _day(scenario, each.until)
        found.setdefault(each.indicator, []).append(Occurrence(each, first, last))
    return {name: tuple(each) for name, each in found.items()}


def _with_occurrences(
    scenario: Scenario, occurrences: Mapping[str, tuple[Occurrence, ...]]
) -> dict[str, Assumption]:
    """Return the scenario's assumptions, and a uniform number for each occurrence."""
    uniform = distribution("uniform", {})
    extra = {
        each.in_force: Assumption(
            each.in_force,
            uniform,
            "weight",
            1.0,
            "uniform",
            "Decides whether the thing reported took place: it did where this is below the "
            "probability given, or that the report is genuine.",
            each.observation.source,
            each.observation.location,
        )
        for group in occurrences.values()
        for each in group
    }
    return {**scenario.assumptions, **extra}
