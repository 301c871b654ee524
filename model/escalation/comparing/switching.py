r"""Which differing assumption explains how much of the gap between two scenarios.

Let v(C) be the probability of a target when the changes C ⊆ D are made to the first scenario,
so that v(∅) is its own and v(D) the other's. For each change i

    alone      v({i}) − v(∅)               switch it and nothing else
    withheld   v(D) − v(D − {i})            switch everything but it
    Shapley    Σ_{C ∌ i} |C|!(|D|−|C|−1)!/|D|! · (v(C + {i}) − v(C))

The first two differ where changes work together. Shapley's values (1953) average over every
order in which the changes could be made, add up to the gap, and cost 2^|D| evaluations: they are
given where the changes are few. Every v is found on the same draws, each weighed by its own
evidence, so that nothing in the table is the luck of the draw.

>>> shapley({frozenset(): 0.1, frozenset("a"): 0.3, frozenset("b"): 0.1, frozenset("ab"): 0.5})
{'a': 0.3, 'b': 0.1}
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from escalation.comparing.differences import Change, between, changes
from escalation.engine.layout import plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from escalation.engine.shared_draws import Evaluate, SharedDraws
    from escalation.reading.case import Scenario

    Array = NDArray[np.float64]
    Coalition = frozenset[str]

FEW = 6  # changes for which every combination is tried


@dataclass(frozen=True)
class Part:
    """What one change explains of a gap; each is a difference of probabilities.

    Attributes
    ----------
    change : Change
    alone : float
        What it moves when nothing else is switched.
    withheld : float
        What is lost when everything but it is switched.
    shapley : float or None
        Its average over every order of switching; None where the changes are many.
    """

    change: Change
    alone: float
    withheld: float
    shapley: float | None

    @property
    def size(self) -> float:
        """By which parts are ranked: Shapley's value, or the mean of the other two."""
        return (self.alone + self.withheld) / 2 if self.shapley is None else self.shapley


@dataclass(frozen=True)
class Explanation:
    """Parts of the gap in one target's probability between two scenarios.

    Attributes
    ----------
    first, other : str
        Names of the scenarios.
    target : str
    gap : float
        P(other) − P(first) on the draws used here.
    draws : int
    parts : tuple of Part
        Largest first.
    """

    first: str
    other: str
    target: str
    gap: float
    draws: int
    parts: tuple[Part, ...]


def explain_gap(
    a: Scenario,
    b: Scenario,
    targets: Sequence[str],
    horizon: int,
    draws: SharedDraws,
    evaluate: Evaluate,
) -> tuple[Explanation, ...]:
    """Split the gap between two scenarios over what differs, for each target.

    Parameters
    ----------
    a, b : Scenario
    targets : sequence of str
    horizon : int
        Days ahead.
    draws : SharedDraws
        Common to both.
    evaluate : callable
        Outcomes of several plans, each at the values given with it, for these targets.
    """
    steps = changes(a, b)
    if not steps:
        return ()
    wanted = coalitions([step.name for step in steps])
    cases = [between(a, b, [step for step in steps if step.name in each]) for each in wanted]
    plans = [plan(case, case.as_of, horizon) for case in cases]
    found = evaluate([(each, draws.values(each.assumptions)) for each in plans])
    values = {}
    for coalition, layout, outcome in zip(wanted, plans, found, strict=True):
        values[coalition] = outcome.reached[-1] @ draws.weigh(layout, outcome).weights
    return tuple(
        _explanation(a, b, target, steps, {c: float(v[row]) for c, v in values.items()}, draws.size)
        for row, target in enumerate(targets)
    )


def coalitions(names: Sequence[str]) -> list[Coalition]:
    """Sets of changes to try: all where few, else one at a time and all but one."""
    sizes = range(len(names) + 1) if len(names) <= FEW else (0, 1, len(names) - 1, len(names))
    return [frozenset(each) for size in sizes for each in combinations(names, size)]


def shapley(values: Mapping[Coalition, float]) -> dict[str, float]:
    """Shapley value of each member, from the value of every set of them."""
    members = sorted(frozenset[str]().union(*values))
    count = len(members)
    found = {}
    for member in members:
        total = 0.0
        for coalition, value in values.items():
            if member not in coalition:
                size = len(coalition)
                share = factorial(size) * factorial(count - size - 1) / factorial(count)
                total += share * (values[coalition | {member}] - value)
        found[member] = round(total, 15)
    return found


def _explanation(
    a: Scenario,
    b: Scenario,
    target: str,
    steps: Sequence[Change],
    values: Mapping[Coalition, float],
    draws: int,
) -> Explanation:
    nothing: Coalition = frozenset()
    everything = frozenset(step.name for step in steps)
    averaged = shapley(values) if len(steps) <= FEW else {}
    parts = [
        Part(
            step,
            values[frozenset({step.name})] - values[nothing],
            values[everything] - values[everything - {step.name}],
            averaged.get(step.name),
        )
        for step in steps
    ]
    gap = values[everything] - values[nothing]
    ranked = tuple(sorted(parts, key=lambda part: (-abs(part.size), part.change.name)))
    return Explanation(a.name, b.name, target, gap, draws, ranked)
