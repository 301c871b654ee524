"""A slow, plain simulator of what a scenario's model generates: states, reports and silence.

The twin of the filter: it knows nothing of likelihoods. Day by day, the hidden chain moves by
Gillespie's algorithm, watched indicators are reported as Poisson processes with the intensity of
the state that holds at the time, and an effect changes the rates from the day it began.
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from escalation.engine.compiler import batch
from escalation.engine.layout import Plan, plan
from escalation.engine.recipes import Recipe
from escalation.reading.case import Location, Observation, Scenario

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PLACE = Location(Path("simulated.csv"), 1, 1)


@dataclasses.dataclass(frozen=True)
class Simulated:
    """A scenario with simulated observations, and the joint state on each day."""

    scenario: Scenario
    states: NDArray[np.intp]


def simulate(scenario: Scenario, draw: Mapping[str, float], rng: np.random.Generator) -> Simulated:
    """Simulate a case for one value of each assumption, from its start to its as-of day."""
    bare = dataclasses.replace(scenario, observations=())
    one = {name: np.array([value]) for name, value in draw.items()}
    layout = plan(bare)
    chain, start = batch(layout, one).chain, batch(layout, one).start[:, 0]
    state = int(rng.choice(len(start), p=start / start.sum()))
    states, seen = [state], list[Observation]()
    for day in range(layout.history):
        generator = np.asarray(chain.at(day).dense()[0])
        intensities = _intensities(layout, one, {each.indicator for each in seen})
        state, reported = _day(state, generator, intensities, rng)
        states.append(state)
        for name in reported:
            seen.append(_observation(scenario, name, day + 1, len(seen)))
        if any(scenario.indicators[name].effect for name in reported):
            layout = plan(dataclasses.replace(bare, observations=tuple(seen)))
            one |= {name: np.array([0.0]) for name in layout.assumptions if name not in one}
            chain = batch(layout, one).chain
    found = dataclasses.replace(scenario, observations=tuple(seen))
    return Simulated(found, np.array(states))


def _intensities(layout: Plan, draw: Mapping[str, Array], seen: set[str]) -> dict[str, Array]:
    """Intensity in each state of what is still watched."""
    found = {}
    for indicator in layout.scenario.indicators.values():
        if indicator.watched and not (indicator.once and indicator.name in seen):
            of_state, at = layout.space.combinations(tuple(indicator.seen.tables))
            recipe = Recipe.of([(indicator.seen, each) for each in at])
            found[indicator.name] = recipe.rates(draw, layout.assumptions)[of_state, 0]
    return found


def _day(
    state: int, generator: Array, intensities: Mapping[str, Array], rng: np.random.Generator
) -> tuple[int, list[str]]:
    """One day: the state at its end, and what was reported in it."""
    time, reported = 0.0, []
    while True:
        wait = rng.exponential(1 / max(-generator[state, state], 1e-300))
        stay = min(wait, 1.0 - time)
        for name, intensity in intensities.items():
            reported += [name] * int(rng.poisson(intensity[state] * stay))
        time += stay
        if time >= 1.0:
            return state, reported
        rates = np.maximum(generator[state], 0.0)
        state = int(rng.choice(len(rates), p=rates / rates.sum()))


def _observation(scenario: Scenario, name: str, day: int, number: int) -> Observation:
    when = scenario.start + timedelta(days=day)
    return Observation(
        f"r{number}", name, when, when, None, 1, None, "A", "1", "", None, "", "", PLACE
    )
