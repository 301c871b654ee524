"""Why, how sure, what would change it and what has changed: everything a report says of that.

Each explanation is computed elsewhere (`docs/explanations.md`). This puts together those that a
report shows: for every target the judgement in words, its confidence and the base rates it can
be held against; for the first target all the rest, which costs more.

    confidence ── base rates ───────────── every target
    moved, rests on ── why                 the first target
    watch list, tornado, break-even ── what would change it
    changed ── since the report before

A **base rate** is that of a reference class which a move *into* the target cites, or, where none
does, one below it. It is the probability of that one step within the horizon for a case that
stands before it all the time: 1 − exp(−λ H), a mean over what is believed of λ from counts alone.
It is no forecast of the target from where the case stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.assessment import HIGH, LOW, Estimate
from escalation.errors import EscalationError
from escalation.explaining.changes import Changed, changed
from escalation.explaining.confidence import Confidence, confidence, sentence
from escalation.explaining.explain import Moved, Rests, moved, rests_on
from escalation.explaining.responses import respond, screen
from escalation.explaining.sensitivity import (
    BreakEven,
    Sobol,
    Tornado,
    break_even,
    sobol,
    tornado,
)
from escalation.explaining.surprise import Surprise, surprise
from escalation.explaining.watchlist import Watch, watchlist
from escalation.reading.naming import state_of
from escalation.reporting.alarms import Condition, conditions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from escalation.engine.assessment import Assessment
    from escalation.explaining.responses import Screened
    from escalation.reading.case import Move, ReferenceClass, Scenario
    from escalation.reporting.earlier import Earlier

DRAWS = 384  # behind what moved it
FEWER = 256  # behind what it rests on, and how surprising each report was
FEWEST = 128  # behind what asks for every indicator, or holds many assumptions
BARS = 10
SOUGHT = 3  # assumptions whose break-even value is sought: those with the largest swings
EVEN = 0.5
GRID = 2000  # points at which a base rate's distribution is taken
FLOOR = 1e-15  # jumps below this are rounding, and are written as 0


@dataclass(frozen=True)
class BaseRate:
    """A counted rate beside a judgement.

    Attributes
    ----------
    reference : ReferenceClass
    steps : tuple of (str, str)
        Labels of the states of each move that cites it.
    into : bool
        Whether these moves enter the target; else they lead towards it.
    estimate : Estimate
        P(one such step within the horizon), with nothing else known.
    """

    reference: ReferenceClass
    steps: tuple[tuple[str, str], ...]
    into: bool
    estimate: Estimate


@dataclass(frozen=True)
class Judgement:
    """What is said of a target, and on what ground.

    Attributes
    ----------
    target : str
    likelihood : str
        A sentence, with nothing of confidence in it.
    confidence : Confidence
    base_rates : tuple of BaseRate
        None: the moves to it rest on judgement alone.
    """

    target: str
    likelihood: str
    confidence: Confidence
    base_rates: tuple[BaseRate, ...]


@dataclass(frozen=True)
class Since:
    """What is different from the report before.

    Attributes
    ----------
    earlier : Earlier
    shifts : tuple of (target, float, float)
        Headlines then and now of each target of both.
    changed : Changed or None
        The difference for the first target, split; None if the earlier run cannot be made again.
    obstacle : str
        Why not.
    """

    earlier: Earlier
    shifts: tuple[tuple[str, float, float], ...]
    changed: Changed | None
    obstacle: str


@dataclass(frozen=True)
class Reasons:
    """Everything a report says besides the numbers.

    Attributes
    ----------
    assessment : Assessment
    judgements : tuple of Judgement
        In the order of the scenario's targets.
    target : str
        The first target: what follows is about it.
    moved : Moved
    rests : Rests
    watch : tuple of Watch
    tornado : Tornado
    sobol : Sobol
    break_even : tuple of BreakEven
    surprises : tuple of Surprise
        Of every report.
    since : Since or None
        None: there is no report before.
    conditions : tuple of Condition
        Every alert of the scenario, in its order, met or not.
    """

    assessment: Assessment
    judgements: tuple[Judgement, ...]
    target: str
    moved: Moved
    rests: Rests
    watch: tuple[Watch, ...]
    tornado: Tornado
    sobol: Sobol
    break_even: tuple[BreakEven, ...]
    surprises: tuple[Surprise, ...]
    since: Since | None
    conditions: tuple[Condition, ...]

    @property
    def label(self) -> str:
        """Label of the first target."""
        return state_of(self.assessment.scenario, self.target).label


def reasons(assessment: Assessment, earlier: Earlier | None = None) -> Reasons:
    """Explain an assessment.

    Parameters
    ----------
    assessment : Assessment
    earlier : Earlier, optional
        The report before.
    """
    target = assessment.scenario.targets[0]
    screened = screen(assessment, target)
    responses = respond(assessment, target, top=BARS, draws=FEWEST, screened=screened)
    bars = tornado(responses)
    surprises = surprise(assessment, draws=FEWER)
    return Reasons(
        assessment,
        tuple(
            _judgement(assessment, each, screened if each == target else None)
            for each in assessment.scenario.targets
        ),
        target,
        moved(assessment, target, draws=DRAWS),
        rests_on(assessment, target, draws=FEWER),
        watchlist(assessment, target, draws=FEWEST),
        bars,
        sobol(responses),
        tuple(break_even(responses, bar.name, level=EVEN) for bar in bars.bars[:SOUGHT]),
        surprises,
        None if earlier is None else since(assessment, earlier),
        conditions(assessment, surprises)
        if earlier is None
        else conditions(assessment, surprises, earlier.headline, earlier.reports),
    )


def _judgement(
    assessment: Assessment, target: str, screened: tuple[Screened, ...] | None
) -> Judgement:
    scenario = assessment.scenario
    label = state_of(scenario, target).label
    estimate = assessment.reach_by(target)
    return Judgement(
        target,
        sentence(estimate, label, assessment.horizon, scenario.words),
        confidence(assessment, target, screened),
        base_rates(scenario, target, assessment.horizon),
    )


def base_rates(scenario: Scenario, target: str, horizon: int) -> tuple[BaseRate, ...]:
    """Counted rates that the moves into a target cite; if none does, those of moves towards it."""
    by_rate = {each.rate: each for each in scenario.reference_classes.values()}
    for into in (True, False):
        cited: dict[str, list[Move]] = {}
        for move in _moves(scenario, target, into=into):
            for name in _numbers(move):
                if name in by_rate:
                    cited.setdefault(name, []).append(move)
        if cited:
            return tuple(
                _base_rate(scenario, by_rate[name], moves, horizon, into=into)
                for name, moves in cited.items()
            )
    return ()


def _moves(scenario: Scenario, target: str, *, into: bool) -> list[Move]:
    """Moves of the ladder that enter a target, or climb below it."""
    height = {state.id: place for place, state in enumerate(scenario.rungs)}
    if target not in height:
        return [each for each in scenario.ladder.moves if into and each.target == target]
    goal = height[target]
    climbs = [
        each
        for each in scenario.ladder.moves
        if height.get(each.source, goal) < min(height.get(each.target, -1), goal)
    ]
    return [each for each in climbs if (height[each.target] >= goal) == into]


def _numbers(move: Move) -> Iterator[str]:
    """Names of the assumptions that give a move its level."""
    if move.rate.base is not None:
        yield move.rate.base
    elif move.rate.values is not None:
        yield from move.rate.tables[move.rate.values].values()


def _base_rate(
    scenario: Scenario, reference: ReferenceClass, moves: list[Move], horizon: int, *, into: bool
) -> BaseRate:
    assumption = scenario.assumptions[reference.rate]
    places = (np.arange(GRID) + 0.5) / GRID
    once = -np.expm1(-assumption.prior.quantile(places) / assumption.days * horizon)
    low, high = np.quantile(once, (LOW, HIGH))
    steps = tuple(
        (state_of(scenario, each.source).label, state_of(scenario, each.target).label)
        for each in moves
    )
    return BaseRate(reference, steps, into, Estimate(float(once.mean()), float(low), float(high)))


def since(assessment: Assessment, earlier: Earlier) -> Since:
    """Say what is different from the report before, split into causes where it can be."""
    shifts = tuple(
        (target, earlier.headline[target], assessment.reach_by(target).probability)
        for target in assessment.scenario.targets
        if target in earlier.headline
    )
    target = assessment.scenario.targets[0]
    found, obstacle = None, earlier.obstacle
    if earlier.assessment is not None:
        try:
            found = changed(earlier.assessment, assessment, target)
        except EscalationError as error:
            obstacle = str(error)
    return Since(earlier, shifts, found, obstacle)
