"""What changed between two assessments of a case, split into causes that add up.

From the earlier assessment to the later one the changes are made one class at a time, and after
each the case is assessed anew, with the random numbers of the later one:

    time          the as-of day moves on; what had been reported stays, and watched types are
                  not heard of in the meantime
    reports       what is known now and was not known then
    retractions   what was known then and has since been withdrawn, or taken out of the files
    edits         assumptions, structure, coding of reports, horizon

Jumps in log-odds from each to the next add up to the whole. The earlier assessment need not be
at hand: `assess` makes it again, bit for bit, from copies of the files that it was made from.
(`docs/explanations.md`.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from escalation.engine.layout import plan
from escalation.engine.posterior import infer_assumptions
from escalation.errors import InvalidValueError
from escalation.explaining.weighing import answer, checked, jump

if TYPE_CHECKING:
    from datetime import date

    from escalation.engine.assessment import Assessment
    from escalation.reading.case import Factor, Indicator, Observation, Scenario

Kind = Literal["time", "reports", "retractions", "edits"]


@dataclass(frozen=True)
class Part:
    """One class of changes.

    Attributes
    ----------
    kind : str
        "time", "reports", "retractions" or "edits".
    what : tuple of str
        For time the number of days; ids of reports; dotted names of what was edited. Empty where
        there was nothing of the kind.
    before, after : float
        Probability of the target on either side.
    jump : float
        Difference in log-odds.
    """

    kind: Kind
    what: tuple[str, ...]
    before: float
    after: float
    jump: float


@dataclass(frozen=True)
class Changed:
    """What changed since an earlier assessment.

    Attributes
    ----------
    target : str
    earlier, later : date
        The two as-of days.
    before, after : float
        The two headlines: the probability of the target within the horizon of each.
    parts : tuple of Part
        All four kinds, in order; their jumps add up to that from `before` to `after`.
    """

    target: str
    earlier: date
    later: date
    before: float
    after: float
    parts: tuple[Part, ...]

    @property
    def total(self) -> float:
        """Jump from before to after."""
        return jump(self.before, self.after)


def changed(before: Assessment, after: Assessment, target: str) -> Changed:
    """Split the difference between two assessments of a case.

    Each kind of change that there was, but for the last, takes one further assessment.

    Parameters
    ----------
    before, after : Assessment
        Of the same case: the files may have been edited in between.
    target : str

    Raises
    ------
    InvalidValueError
        If the target is not one of both, or the later assessment is as of an earlier day.
    """
    checked(before, target)
    checked(after, target)
    if after.as_of < before.as_of:
        message = f"the later assessment is as of {after.as_of}, before {before.as_of}"
        raise InvalidValueError(message)
    what = _differences(before, after)
    happened = [kind for kind, names in what.items() if names]
    probability = before.reach_by(target).probability
    parts = []
    for kind, names in what.items():
        then = probability
        if happened and kind == happened[-1]:
            probability = after.reach_by(target).probability
        elif names:
            probability = _between(before, after, kind, target)
        parts.append(Part(kind, names, then, probability, jump(then, probability)))
    return Changed(target, before.as_of, after.as_of, parts[0].before, probability, tuple(parts))


def _differences(before: Assessment, after: Assessment) -> dict[Kind, tuple[str, ...]]:
    """What there is of each kind."""
    then, now = _known(before), _known(after)
    days = (after.as_of - before.as_of).days
    new = _movable(before, after, [now[name] for name in now if name not in then])
    return {
        "time": (f"{days} days",) if days else (),
        "reports": tuple(each.id for each in new),
        "retractions": tuple(name for name in then if name not in now),
        "edits": _edits(before, after),
    }


def _known(assessment: Assessment) -> dict[str, Observation]:
    """Reports in an assessment, by id."""
    every = assessment.scenario.observations
    return {each.id: each for each in every if each.known(assessment.as_of)}


def _movable(before: Assessment, after: Assessment, new: list[Observation]) -> list[Observation]:
    """Those of the new reports that the earlier model has, or can be given, a type for."""
    same = _states(before) == _states(after)
    return [each for each in new if same or each.indicator in before.scenario.indicators]


def _states(assessment: Assessment) -> list[tuple[str, ...]]:
    """Name and values of each factor."""
    return [
        (each.name, *(state.id for state in each.states)) for each in assessment.scenario.factors
    ]


def _between(before: Assessment, after: Assessment, kind: Kind, target: str) -> float:
    """Headline of an assessment with the changes up to and including a kind made."""
    then, now = _known(before), _known(after)
    rows = dict(then)
    if kind != "time":
        new = [now[name] for name in now if name not in then]
        rows |= {each.id: each for each in _movable(before, after, new)}
    if kind == "retractions":
        rows = {name: each for name, each in rows.items() if name in now}
    kept = tuple(replace(each, retracted_on=None) for each in rows.values())
    layout = plan(_extended(before.scenario, after.scenario, kept), after.as_of, before.horizon)
    posterior = infer_assumptions(layout, len(after.posterior.index), after.seed)
    reached = answer(layout, posterior.draws, target).reached
    return float(reached[posterior.index].mean())


def _extended(
    scenario: Scenario, other: Scenario, observations: tuple[Observation, ...]
) -> Scenario:
    """Return a scenario with these observations, and what they need from another."""
    missing = {each.indicator for each in observations} - set(scenario.indicators)
    new = {name: other.indicators[name] for name in other.indicators if name in missing}
    lacking = missing or any(
        each.probability and each.probability not in scenario.assumptions for each in observations
    )
    return replace(
        scenario,
        indicators={**scenario.indicators, **new},
        assumptions={**other.assumptions, **scenario.assumptions}
        if lacking
        else scenario.assumptions,
        observations=observations,
    )


def _edits(before: Assessment, after: Assessment) -> tuple[str, ...]:
    """Names of what was edited: assumptions, structure, coding of reports, settings."""
    then, now = before.scenario, after.scenario
    found = [
        name
        for name in {**then.assumptions, **now.assumptions}
        if _prior(then, name) != _prior(now, name) and not name.startswith("observations.")
    ]
    found += [
        f"indicators.{name}"
        for name in {**then.indicators, **now.indicators}
        if _type(then.indicators.get(name)) != _type(now.indicators.get(name))
    ]
    factors = {each.name: each for each in (*then.factors, *now.factors)}
    for name in factors:
        old, new = (
            next((_shape(each) for each in case.factors if each.name == name), None)
            for case in (then, now)
        )
        if old != new:
            found.append("ladder" if name == now.ladder.name else f"latent.{name}")
    found += _recoded(before, after)
    if then.start != now.start:
        found.append("start")
    if before.horizon != after.horizon:
        found.append("horizon")
    if len(before.posterior.index) != len(after.posterior.index):
        found.append("draws")
    elif before.seed != after.seed:
        found.append("seed")
    return tuple(found)


def _recoded(before: Assessment, after: Assessment) -> list[str]:
    """Reports known to both that are coded otherwise, and new ones with no place before."""
    then, now = _known(before), _known(after)
    found = [
        f"observations.{name}"
        for name in now
        if name in then and _coding(before, then[name]) != _coding(after, now[name])
    ]
    new = [now[name] for name in now if name not in then]
    moved = {each.id for each in _movable(before, after, new)}
    return found + [f"observations.{each.id}" for each in new if each.id not in moved]


def _coding(assessment: Assessment, each: Observation) -> tuple[object, ...]:
    """Everything of a report that counts."""
    scheduled = each.probability and _prior(assessment.scenario, each.probability)
    graded = each.source_grade, each.information_grade, each.echo_group
    dated = each.occurred_on, each.reported_on, each.until
    return each.indicator, dated, each.count, graded, scheduled


def _prior(scenario: Scenario, name: str) -> tuple[object, ...]:
    """What is believed of an assumption; nothing, if there is none."""
    each = scenario.assumptions.get(name)
    return () if each is None else (each.prior, each.role, each.days)


def _type(indicator: Indicator | None) -> tuple[object, ...]:
    """Everything of an indicator that counts; nothing, if there is none."""
    if indicator is None:
        return ()
    silence = indicator.watched, indicator.once, indicator.lag
    return indicator.seen, silence, indicator.effect


def _shape(factor: Factor) -> tuple[object, ...]:
    """Everything of a factor that counts."""
    states = [(state.id, state.off_ramp) for state in factor.states]
    moves = [(each.name, each.rate) for each in factor.moves]
    return factor.name, states, dict(factor.start), moves
