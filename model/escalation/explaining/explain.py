r"""Why the answer is what it is: what moved it, in order, and what it rests on now.

With p the probability that a target is reached within H days, *jumps* are differences in
log-odds, Δ = ln p′/(1 − p′) − ln p/(1 − p), so that those of a sequence add up.

What moved it (`moved`) replays the plan of an assessment from its start. With p(d, E) the
probability within H days of day d, given the evidence E, each stretch from an event's day d₀ to
the next, d₁, makes two steps and each report of d₁ one or two:

    time      p(d₀, E) → p(d₁, E)              the window moves on, nothing is learned
    silence   p(d₁, E) → p(d₁, E + silence)    watched types were not heard of from d₀ to d₁
    report    p(d₁, E) → p(d₁, E + report)     as a sign of the state
    effect    the same evidence, with the report's effect on the rates in force, or due

What it rests on (`rests_on`) leaves a report, an echo group, or the silence of a type, out and
asks again. Both put their questions to common draws (`weighing`). (`docs/explanations.md`.)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np

from escalation.engine.posterior import chunks
from escalation.explaining.backward import reach
from escalation.explaining.omitting import Run
from escalation.explaining.replay import replay, stages
from escalation.explaining.weighing import (
    CHUNK,
    DRAWS,
    Aimed,
    Answers,
    aim,
    jump,
    weigh,
)

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from escalation.engine.assessment import Assessment
    from escalation.engine.layout import Plan
    from escalation.explaining.replay import Moment, Stage

    Array = NDArray[np.float64]

StepKind = Literal["time", "silence", "report", "effect"]
OmissionKind = Literal["report", "echo group", "silence"]


@dataclass(frozen=True)
class Step:
    """One step of the replay.

    Attributes
    ----------
    kind : str
        "time", "silence", "report" or "effect".
    first, last : date
        From when to when; the same day for a report or effect.
    report : str
        Id of the report; empty for time and silence.
    before, after : float
        P(target within the horizon of the day), on either side of it.
    jump : float
        Difference in log-odds.
    """

    kind: StepKind
    first: date
    last: date
    report: str
    before: float
    after: float
    jump: float


@dataclass(frozen=True)
class Contribution:
    """All that one report, or time, or silence, has added in log-odds.

    Attributes
    ----------
    kind : str
        "time", "silence" or "report".
    report : str
        Id of the report; empty for time and silence.
    first : date
        Day of its first step.
    sign, effect : float
        As a sign of the state, and by its effect on the rates.
    """

    kind: Literal["time", "silence", "report"]
    report: str
    first: date
    sign: float
    effect: float

    @property
    def jump(self) -> float:
        """Both together."""
        return self.sign + self.effect


@dataclass(frozen=True)
class Moved:
    """What moved the probability of a target, in order.

    Attributes
    ----------
    target : str
    horizon : int
        Days: every probability is that of the target within so many days of the day it is for.
    start, end : float
        Probability on the first day before any report, and on the as-of day: the headline.
    steps : tuple of Step
        In order; their jumps add up to that from `start` to `end`.
    contributions : tuple of Contribution
        The same, added up by report, in order of their first steps, after time and silence.
    difference : float
        What the draws behind it say before calibration, minus the headline.
    effective : float
        Fewest effective draws behind any of the probabilities.
    """

    target: str
    horizon: int
    start: float
    end: float
    steps: tuple[Step, ...]
    contributions: tuple[Contribution, ...]
    difference: float
    effective: float

    @property
    def total(self) -> float:
        """Jump from start to end."""
        return jump(self.start, self.end)


def moved(assessment: Assessment, target: str, *, draws: int = DRAWS) -> Moved:
    """Replay an assessment, and say at each step how the probability of a target moved.

    A count that is spread over days makes a step on each of them; its contribution stands where
    its first day does. What is known now is used throughout: a report counts on the day of
    which it speaks, and not when it came; retracted ones are not there at all.

    Parameters
    ----------
    assessment : Assessment
    target : str
        A rung above the lowest, or an off-ramp.
    draws : int
        Common draws, at most.

    Raises
    ------
    InvalidValueError
        If it is no target.
    """
    aimed = aim(assessment, target, draws)
    layout = assessment.plan
    met: list[list[Answers]] = [[] for _ in stages(layout)]
    for part in chunks(aimed.common.values, CHUNK):
        prospects = _Prospects(layout, layout.reached(target))
        for found, moment in zip(met, replay(layout, part), strict=True):
            reached = np.einsum("kb,kb->b", moment.vector, prospects.at(moment))
            found.append(Answers(moment.loglik, reached))
    weighed = [weigh(aimed.common, _joined(found)) for found in met]
    probabilities = [each.probability for each in weighed]
    steps = _steps(layout, probabilities)
    return Moved(
        target,
        layout.horizon,
        probabilities[0],
        probabilities[-1],
        steps,
        _contributions(steps),
        aimed.difference,
        min(each.effective for each in weighed),
    )


@dataclass
class _Prospects:
    """P(target within the horizon | state), found once for all moments with the same rates ahead.

    Attributes
    ----------
    layout : Plan
    inside : bool, shape (K,)
        The target.
    """

    layout: Plan
    inside: NDArray[np.bool_]
    found: dict[tuple[int, bytes], Array] = field(default_factory=dict)

    def at(self, moment: Moment) -> Array:
        """As seen from a moment: shape (K, B)."""
        ahead = moment.chain.segment[: self.layout.horizon]
        key = moment.stage.effects, ahead.tobytes()
        if key not in self.found:
            self.found[key] = reach(moment.chain, self.inside, self.layout.horizon)
        return self.found[key]


def _joined(parts: list[Answers]) -> Answers:
    return Answers(
        np.concatenate([each.loglik for each in parts]),
        np.concatenate([each.reached for each in parts]),
    )


def _steps(layout: Plan, probabilities: list[float]) -> tuple[Step, ...]:
    every = stages(layout)
    return tuple(
        _step(layout, stage, before, after)
        for stage, before, after in zip(every[1:], probabilities, probabilities[1:], strict=False)
    )


def _step(layout: Plan, stage: Stage, before: float, after: float) -> Step:
    first, last = (layout.scenario.start + timedelta(days=day) for day in (stage.begin, stage.end))
    report = ""
    if stage.event >= 0:
        report = layout.conditioning[layout.event_of[stage.event]].observation.id
    if stage.kind == "start":  # only the first stage is, and it is no step
        raise ValueError(stage)
    return Step(stage.kind, first, last, report, before, after, jump(before, after))


def _contributions(steps: tuple[Step, ...]) -> tuple[Contribution, ...]:
    found: dict[tuple[str, str], Contribution] = {}
    for step in steps:
        kind = "report" if step.kind == "effect" else step.kind
        key = kind, step.report
        each = found.get(key, Contribution(kind, step.report, step.first, 0.0, 0.0))
        sign, effect = (0.0, step.jump) if step.kind == "effect" else (step.jump, 0.0)
        found[key] = replace(each, sign=each.sign + sign, effect=each.effect + effect)
    order = {"time": 0, "silence": 1, "report": 2}
    return tuple(sorted(found.values(), key=lambda each: (order[each.kind], each.first)))


@dataclass(frozen=True)
class Without:
    """The answer without a report, a group of echoes, or the silence of a type.

    Attributes
    ----------
    kind : str
        "report", "echo group" or "silence".
    name : str
        Id of the report, name of the group, or the type.
    reports : tuple of str
        Ids left out; none for silence.
    without : float
        Probability of the target without them, and without their effects; or had the type not
        been watched.
    difference : float
        What they add to the probability: with minus without.
    jump : float
        The same in log-odds.
    effective : float
        Effective draws behind it.
    """

    kind: OmissionKind
    name: str
    reports: tuple[str, ...]
    without: float
    difference: float
    jump: float
    effective: float


@dataclass(frozen=True)
class Rests:
    """What the probability of a target rests on.

    Attributes
    ----------
    target : str
    horizon : int
        Days.
    probability : float
        With everything: the headline.
    rows : tuple of Without
        Largest jump, up or down, first.
    difference : float
        What the draws behind it say before calibration, minus the headline.
    """

    target: str
    horizon: int
    probability: float
    rows: tuple[Without, ...]
    difference: float


def rests_on(assessment: Assessment, target: str, *, draws: int = DRAWS // 2) -> Rests:
    """Leave each report, echo group of several, and silence out in turn and ask again.

    A report's effect on the rates goes with it, and the silence that it had ended goes on.
    A silence is that of a watched type of which nothing has been heard at all.

    Parameters
    ----------
    assessment : Assessment
    target : str
    draws : int
        Common draws, at most.

    Raises
    ------
    InvalidValueError
        If it is no target.
    """
    aimed = aim(assessment, target, draws)
    places = range(0, len(aimed.common.log_base), CHUNK)
    runs = [Run.of(aimed, slice(begin, begin + CHUNK)) for begin in places]
    rows = [
        _row(aimed, kind, name, reports, _joined([run.without(reports) for run in runs]))
        for kind, name, reports in _omissions(assessment.plan)
    ]
    rows += [
        _row(aimed, "silence", name, (), _joined([run.unwatched(name) for run in runs]))
        for name in _silences(assessment.plan)
    ]
    rows.sort(key=lambda row: -abs(row.jump))
    return Rests(target, assessment.horizon, aimed.base.probability, tuple(rows), aimed.difference)


def _silences(layout: Plan) -> list[str]:
    """Watched types of which nothing was heard at all."""
    heard = {each.observation.indicator for each in layout.conditioning}
    return [name for name, days in layout.watch.items() if days and name not in heard]


def _row(
    aimed: Aimed, kind: OmissionKind, name: str, reports: tuple[str, ...], answers: Answers
) -> Without:
    found, after = weigh(aimed.common, answers), aimed.base.probability
    before = found.probability
    return Without(
        kind, name, reports, before, after - before, jump(before, after), found.effective
    )


def _omissions(layout: Plan) -> list[tuple[OmissionKind, str, tuple[str, ...]]]:
    """What to leave out: every report that does anything, and groups of several."""
    known = {each.observation.id: each.observation for each in layout.conditioning}
    for group in layout.occurrences.values():
        known |= {each.observation.id: each.observation for each in group}
    groups: dict[str, list[str]] = {}
    for each in known.values():
        if each.echo_group:
            groups.setdefault(each.echo_group, []).append(each.id)
    found: list[tuple[OmissionKind, str, tuple[str, ...]]] = []
    found += [("report", name, (name,)) for name in known]
    found += [("echo group", name, tuple(ids)) for name, ids in groups.items() if len(ids) > 1]
    return found
