r"""At which value of an assumption two scenarios swap order.

Held at a value v, an assumption leaves between two scenarios the difference

    D(v) = P(target | evidence, v) in the other − the same in the first.

A *swap* is a root of D. What both assume alike is held at v in both. A number in which they
differ is held in the other alone: how far would it have to go for the gap to close? The root is
looked for in the central 99 % of the prior, of both priors together where they differ, by
Brent's method on draws that both share, so that D is smooth. "Nowhere in that range" is an
answer.

Not every assumption is tried, only the nearest. Where the regressions of the two probabilities
on the normal score z of an assumption have slopes b and a, weighed by the evidence, the root is
expected |D/(b − a)| standard deviations of the prior away; what has no slope, a plain number
that differs, comes first.

>>> nearest({"near": 0.5, "far": 3.0, "plain": 0.0}, 2)
['plain', 'near']
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from escalation.comparing.differences import same_number
from escalation.errors import ImpossibleEvidenceError
from escalation.reading.ranges import RATIOS, Range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from escalation.engine.layout import Plan
    from escalation.engine.shared_draws import Evaluate, SharedDraws, Weighed
    from escalation.reading.case import Assumption

    Array = NDArray[np.float64]

DRAWS = 512
TRIED = 3
POINTS = 7
ENDS = np.array([0.005, 0.995])
CLOSE = 1e-4  # of the range, to which a root is found


@dataclass(frozen=True)
class Swap:
    """Where two scenarios are equally likely to reach a target.

    Attributes
    ----------
    first, other : str
        Names of the scenarios.
    target : str
    name : str
        Of the assumption.
    alike : bool
        Whether both assume the same of it, so that it is held in both; else in the other alone.
    value : float or None
        In the unit it is written in; the root nearest to where it is now, if there are several;
        None: nowhere in the range.
    probability : float or None
        Of the target in both there.
    low, high : float
        Ends of the range.
    at_low, at_high : float
        D at the ends.
    draws : int
    """

    first: str
    other: str
    target: str
    name: str
    alike: bool
    value: float | None
    probability: float | None
    low: float
    high: float
    at_low: float
    at_high: float
    draws: int


@dataclass(frozen=True)
class Pair:
    """Two scenarios on shared draws, and one target."""

    plans: tuple[Plan, Plan]
    weighed: tuple[Weighed, Weighed]
    shared: SharedDraws
    evaluate: Evaluate
    row: int  # of the target

    def swaps(self, names: tuple[str, str], target: str, tried: int = TRIED) -> list[Swap]:
        """Try the assumptions that are nearest to a swap; none where the scenarios are alike."""
        if not self._gap():
            return []
        chosen = nearest(self._distances(), tried)
        return [self._swap(names, target, name) for name in chosen]

    def _gap(self) -> float:
        first, other = (self._mean(each) for each in self.weighed)
        return other - first

    def _mean(self, each: Weighed) -> float:
        return float(each.outcomes.reached[-1, self.row] @ each.weights)

    def _both(self, name: str) -> tuple[Assumption | None, Assumption]:
        first, other = (each.scenario.assumptions for each in self.plans)
        return first.get(name), other[name]

    def _alike(self, name: str) -> bool:
        return same_number(*self._both(name))

    def _distances(self) -> dict[str, float]:
        """How far each assumption is expected to be from a swap, in deviations of its prior."""
        gap, found = self._gap(), {}
        for name, each in self.plans[1].scenario.assumptions.items():
            alike = self._alike(name)
            if each.prior.fixed:
                if not alike:
                    found[name] = 0.0
                continue
            slope = self._slope(1, name) - (self._slope(0, name) if alike else 0.0)
            if slope:
                found[name] = abs(gap / slope)
        return found

    def _slope(self, side: int, name: str) -> float:
        """Slope of the probability on the normal score of an assumption."""
        z, each = self.shared.z[self.shared.names.index(name)], self.weighed[side]
        apart = z - z @ each.weights
        moved = each.outcomes.reached[-1, self.row] @ (each.weights * apart)
        return float(moved / (each.weights @ np.square(apart)))

    def _range(self, name: str) -> Range:
        """Return the central 99 % of an assumption's prior, or of both priors."""
        ends = [each.prior.quantile(ENDS) for each in self._both(name) if each is not None]
        low, high = float(np.min(ends)), float(np.max(ends))
        return Range(name, low, high, logarithmic=self._both(name)[1].role in RATIOS and low > 0)

    def _swap(self, names: tuple[str, str], target: str, name: str) -> Swap:
        from scipy.optimize import brentq

        thin, kept = self.shared.thin(DRAWS)
        across = self._range(name)
        shares = np.linspace(0, 1, POINTS)
        apart = self._apart(thin, kept, across, shares)[0]
        places = np.flatnonzero(apart[1:] * apart[:-1] <= 0)
        value = probability = None
        if len(places):
            middles = (shares[places] + shares[places + 1]) / 2
            at = places[np.argmin(np.abs(middles - self._now(name, across)))]

            def difference(share: float) -> float:
                return float(self._apart(thin, kept, across, np.array([share]))[0][0])

            share = brentq(difference, shares[at], shares[at + 1], xtol=CLOSE)
            value = float(across.at(np.array([share]))[0])
            probability = float(self._apart(thin, kept, across, np.array([share]))[1][0])
        return Swap(
            *names, target, name, self._alike(name), value, probability,
            across.low, across.high, float(apart[0]), float(apart[-1]), thin.size,
        )  # fmt: skip

    def _now(self, name: str, across: Range) -> float:
        """Return the place of an assumption's prior median in a range."""
        median = float(self._both(name)[1].prior.quantile(np.array([0.5]))[0])
        grid = np.linspace(0, 1, 101)
        return float(np.interp(median, across.at(grid), grid))

    def _apart(
        self, thin: SharedDraws, kept: NDArray[np.intp], across: Range, shares: Array
    ) -> tuple[Array, Array]:
        """D, and the probability in the other, with an assumption held at shares of a range."""
        first, other = self.plans
        held = self._held(thin, other, across, shares)
        if not self._alike(across.name):
            part = self.weighed[0].outcomes.take(kept)
            return held - thin.weigh(first, part).weights @ part.reached[-1, self.row], held
        return held - self._held(thin, first, across, shares), held

    def _held(self, thin: SharedDraws, plan: Plan, across: Range, shares: Array) -> Array:
        """P(target) in one scenario with an assumption held at shares of a range.

        Not a number where the evidence is impossible.
        """
        values: Mapping[str, Array] = thin.values(plan.assumptions)
        tasks = [
            (plan, {**values, across.name: np.full(thin.size, value)})
            for value in across.at(shares)
        ]
        found = []
        for each in self.evaluate(tasks):
            try:
                weights = thin.weigh(plan, each).weights
            except ImpossibleEvidenceError:
                weights = np.full(thin.size, np.nan)
            found.append(each.reached[-1, self.row] @ weights)
        return np.array(found)


def nearest(distances: Mapping[str, float], count: int) -> list[str]:
    """Names with the smallest distances; of equals the first by name."""
    return sorted(distances, key=lambda name: (distances[name], name))[:count]
