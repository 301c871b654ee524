"""Simulation-based calibration of the whole inference (Talts et al. 2018, arXiv:1804.06788).

Draw the assumptions from their prior, simulate a case with reports and silence, infer, and find
the rank of the true value among posterior draws. If the inference is right the ranks are uniform,
whatever the model. The same holds for what is hidden: among all cases and states, a state held
on the as-of day as often as the filter says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import chi2

from escalation.engine.compiler import batch
from escalation.engine.layout import plan
from escalation.engine.posterior import Scores, infer_assumptions
from escalation.maths.filtering import log_likelihood
from simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from escalation.reading.case import Scenario

    Array = NDArray[np.float64]

NAMES = (
    "indicators.shots.seen.rung.high",
    "ladder.moves.low -> high.intent.fight",
    "latent.intent.moves.bluff -> fight.rate",
    "indicators.fleet.effect.climb",
)
# Faster and more uncertain than the small case, so that there is something to learn.
CHANGES: dict[str, Any] = {
    "latent": {"intent": {"moves": {"bluff -> fight": {"rate": "0.05 to 1"}}}},
    "ladder": {"moves": {"low -> high": {"intent": {"fight": "0.2 to 3"}}}},
    "indicators": {
        "shots": {"seen": {"rung": {"high": "1 to 12"}}},
        "fleet": {"effect": {"climb": "x1 to 8"}},
        "threat": None,
    },
}


@dataclass(frozen=True)
class Calibration:
    """What many simulated cases say of the inference.

    Attributes
    ----------
    names : tuple of str
        The assumptions ranked.
    ranks : int, shape (cases, names)
        Rank of the truth among `posterior` thinned draws: 0 … posterior.
    posterior : int
        Number of thinned draws.
    forecast : float64, shape (cases, states)
        P(state of the first latent factor on the as-of day).
    held : bool, shape (cases, states)
        Whether it was that state.
    methods : tuple of str
        How each inference was made.
    """

    names: tuple[str, ...]
    ranks: NDArray[np.intp]
    posterior: int
    forecast: Array
    held: NDArray[np.bool_]
    methods: tuple[str, ...]


def calibrate(
    scenario: Scenario, names: Sequence[str], *, cases: int, draws: int, seed: int, posterior: int
) -> Calibration:
    """Run the simulation and the inference for many cases."""
    truths = _truths(scenario, cases, seed)
    ranks, forecast, held, methods = [], [], [], []
    for case in range(cases):
        rng = np.random.default_rng([seed, case])
        truth = {name: float(values[case]) for name, values in truths.items()}
        found = simulate(scenario, truth, rng)
        layout = plan(found.scenario)
        inferred = infer_assumptions(layout, draws, int(rng.integers(2**31)))
        index = rng.choice(inferred.index, posterior, replace=False)
        ranks.append([int((inferred.draws[n][index] < truth[n]).sum()) for n in names])
        states = log_likelihood(batch(layout, inferred.draws)).filtered[:, inferred.index]
        value = layout.space.values(layout.space.factors[0].name)
        forecast.append(np.bincount(value, states.mean(axis=1)))
        held.append(np.arange(value.max() + 1) == value[found.states[-1]])
        methods.append(inferred.diagnostics.method)
    return Calibration(
        tuple(names),
        np.array(ranks),
        posterior,
        np.array(forecast),
        np.array(held),
        tuple(methods),
    )


def _truths(scenario: Scenario, cases: int, seed: int) -> dict[str, Array]:
    scores = Scores(plan(scenario).assumptions, seed + 1)
    return scores.values(
        np.random.default_rng(seed).standard_normal((len(scores.uncertain), cases))
    )


def uniformity(ranks: NDArray[np.intp], posterior: int, bins: int = 10) -> float:
    """p-value of a chi-square test that ranks 0 … posterior are uniform."""
    edges = np.linspace(0, posterior + 1, bins + 1)
    counts = np.histogram(ranks, edges)[0]
    widths = np.histogram(np.arange(posterior + 1), edges)[0] / (posterior + 1)
    expected = len(ranks) * widths
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), bins - 1))


def excess(calibration: Calibration) -> Array:
    """How much more often each state held than was forecast, in standard errors."""
    gap = (calibration.held - calibration.forecast).sum(axis=0)
    variance = (calibration.forecast * (1 - calibration.forecast)).sum(axis=0)
    return np.asarray(gap / np.sqrt(variance))
