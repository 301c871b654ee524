"""The answer: where the case stands, and how likely it is that it climbs, how far, by when.

`assess` compiles a scenario, weighs draws of its assumptions by the evidence, and averages what
the engine says of each draw. With n over equally weighted posterior draws, a stated probability
is the mean over n, and the interval beside it holds the central 90 %: what the assumptions
leave open.

Shapes: T+1 days of history, H+1 days of forecast (the first is the as-of day), M posterior draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.compiler import batch
from escalation.engine.layout import Plan, plan
from escalation.engine.posterior import Diagnostics, Posterior, chunks, infer_assumptions
from escalation.maths.filtering import Inference, infer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from numpy.typing import NDArray

    from escalation.reading.case import Scenario

    Array = NDArray[np.float64]

DRAWS = 4096
SEED = 20251122
LOW, HIGH = 0.05, 0.95
INFER_CHUNK = 1024


@dataclass(frozen=True)
class Estimate:
    """A probability and its interval: mean, and 5 % and 95 % quantiles, over posterior draws."""

    probability: float
    low: float
    high: float


@dataclass(frozen=True)
class Band:
    """Probabilities over days and named rows, each array of shape (days, rows)."""

    names: tuple[str, ...]
    mean: Array
    low: Array
    high: Array

    def of(self, name: str) -> tuple[Array, Array, Array]:
        """Mean, low and high over the days for one row."""
        row = self.names.index(name)
        return self.mean[:, row], self.low[:, row], self.high[:, row]


@dataclass(frozen=True)
class Spread:
    """An assumption's distribution: quantiles at 5, 25, 50, 75 and 95 %, and the mean."""

    quantiles: tuple[float, float, float, float, float]
    mean: float


@dataclass(frozen=True)
class Assessment:
    """What the model says of a scenario as of a day.

    Attributes
    ----------
    scenario : Scenario
    plan : Plan
    posterior : Posterior
    seed : int
    filtered : Mapping[str, Band]
        For each factor ("rung" for the ladder), P(state on the day | evidence to that day).
    smoothed : Mapping[str, Band]
        P(state on the day | all evidence).
    forecast : Mapping[str, Band]
        P(state on the day | all evidence), from the as-of day to the horizon.
    reach : Band
        P(rung or higher, or off-ramp, reached by the day | all evidence).
    reach_draws : Array, shape (H+1, P, M)
        The same for each equally weighted posterior draw.
    highest : Mapping[str, Estimate]
        Distribution of the highest rung within the horizon; the lowest holds the rest.
    """

    scenario: Scenario
    plan: Plan
    posterior: Posterior
    seed: int
    filtered: dict[str, Band]
    smoothed: dict[str, Band]
    forecast: dict[str, Band]
    reach: Band
    reach_draws: Array
    highest: dict[str, Estimate]

    @property
    def as_of(self) -> date:
        """The day as of which it was made."""
        return self.plan.as_of

    @property
    def horizon(self) -> int:
        """Days ahead."""
        return self.plan.horizon

    @property
    def diagnostics(self) -> Diagnostics:
        """How good the posterior draws are."""
        return self.posterior.diagnostics

    def reach_by(self, target: str, days: int | None = None) -> Estimate:
        """P(target reached within so many days of the as-of day; by default the horizon)."""
        mean, low, high = self.reach.of(target)
        at = self.horizon if days is None else days
        return Estimate(float(mean[at]), float(low[at]), float(high[at]))

    def now(self, factor: str) -> dict[str, Estimate]:
        """Distribution of a factor on the as-of day."""
        band = self.forecast[factor]
        return {
            name: Estimate(float(band.mean[0, i]), float(band.low[0, i]), float(band.high[0, i]))
            for i, name in enumerate(band.names)
        }

    def time_to(self, target: str, share: float = 0.5) -> int | None:
        """Days until the target has been reached with this probability; None: not within it."""
        reached = np.flatnonzero(self.reach.of(target)[0] >= share)
        return int(reached[0]) if len(reached) else None

    @cached_property
    def prior_spread(self) -> dict[str, Spread]:
        """Prior distribution of each uncertain assumption."""
        return {name: _spread(self.posterior.prior[name]) for name in self.uncertain}

    @cached_property
    def posterior_spread(self) -> dict[str, Spread]:
        """Posterior distribution of each uncertain assumption."""
        index = self.posterior.index
        return {name: _spread(self.posterior.draws[name][index]) for name in self.uncertain}

    @cached_property
    def movement(self) -> dict[str, float]:
        """How far the evidence moved each uncertain assumption, the furthest first.

        The largest difference between the prior's and the posterior's distribution functions
        (Kolmogorov & Smirnov): 0 not at all, 1 entirely.
        """
        posterior = self.posterior
        found = {
            name: _distance(posterior.prior[name], posterior.draws[name][posterior.index])
            for name in self.uncertain
        }
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))

    @property
    def uncertain(self) -> tuple[str, ...]:
        """Names of the scenario's assumptions that are not fixed."""
        every = self.scenario.assumptions
        return tuple(name for name, each in every.items() if not each.prior.fixed)


def assess(
    scenario: Scenario,
    *,
    as_of: date | None = None,
    horizon: int | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
    progress: Callable[[float], None] | None = None,
) -> Assessment:
    """Assess a scenario.

    Parameters
    ----------
    scenario : Scenario
    as_of : date, optional
        Use only what had been reported by the end of this day.
    horizon : int, optional
        Days of forecast.
    draws : int
        Prior draws of the assumptions.
    seed : int
        Keys every random number: the same inputs and seed give the same answer.
    progress : callable, optional
        Called with the share of the work that is done.

    Raises
    ------
    InvalidValueError
        If the dates make no sense.
    ImpossibleEvidenceError
        If some report has probability zero under every draw.
    """
    layout = plan(scenario, as_of, horizon)
    posterior = infer_assumptions(layout, draws, seed)
    parts = []
    total = len(next(iter(posterior.draws.values())))
    for part in chunks(posterior.draws, INFER_CHUNK):
        parts.append(infer(batch(layout, part), layout.questions))
        if progress:
            progress(min(1.0, len(parts) * INFER_CHUNK / total))
    return _summarise(scenario, layout, posterior, seed, parts)


def _summarise(
    scenario: Scenario, layout: Plan, posterior: Posterior, seed: int, parts: list[Inference]
) -> Assessment:
    index = posterior.index

    def gather(name: str) -> Array:
        joined = np.concatenate([getattr(part, name) for part in parts], axis=-1)
        return np.asarray(joined[..., index], dtype=float)

    passage = gather("passage")
    return Assessment(
        scenario,
        layout,
        posterior,
        seed,
        _by_factor(layout, gather("filtered")),
        _by_factor(layout, gather("smoothed")),
        _by_factor(layout, gather("forecast")),
        _band(layout.reach, passage),
        passage,
        _highest(layout, passage[-1]),
    )


def _by_factor(layout: Plan, draws: Array) -> dict[str, Band]:
    bands, row = {}, 0
    for factor in layout.space.factors:
        ids = layout.space.ids(factor.name)
        bands[factor.name] = _band(ids, draws[:, row : row + len(ids)])
        row += len(ids)
    return bands


def _band(names: tuple[str, ...], draws: Array) -> Band:
    """Mean and quantiles over the last axis of (days, rows, M)."""
    low, high = np.quantile(draws, [LOW, HIGH], axis=-1)
    return Band(names, draws.mean(axis=-1), low, high)


def _highest(layout: Plan, reached: Array) -> dict[str, Estimate]:
    """Distribution of the highest rung, from P(reached) of each rung: (P, M)."""
    rungs = [state.id for state in layout.scenario.rungs]
    above = np.vstack([np.ones(reached.shape[1]), reached[: len(rungs) - 1]])
    below = np.vstack([reached[: len(rungs) - 1], np.zeros(reached.shape[1])])
    band = _band(tuple(rungs), (above - below)[None])
    return {
        name: Estimate(float(band.mean[0, i]), float(band.low[0, i]), float(band.high[0, i]))
        for i, name in enumerate(rungs)
    }


def _spread(values: Array) -> Spread:
    quantiles = np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95])
    a, b, c, d, e = (float(each) for each in quantiles)
    return Spread((a, b, c, d, e), float(values.mean()))


def _distance(one: Array, other: Array) -> float:
    """Largest difference between the distribution functions of two samples."""
    first, second = np.sort(one), np.sort(other)
    at = np.sort(np.concatenate([first, second]))
    below = [np.searchsorted(each, at, "right") / len(each) for each in (first, second)]
    return float(np.abs(below[0] - below[1]).max())
